from __future__ import annotations

import pytest

from vlcorpus.errors import UsageError
from vlcorpus.world.planted import FAULTS
from vlcorpus.world.settings import FAULTY, WorldSettings


def test_rates_are_rounded_up_and_never_by_rounding_noise() -> None:
    settings = WorldSettings(pairs=100)
    assert settings.planted("none") == 100
    assert settings.planted("empty_alt") == 3
    assert settings.planted("inline_image") == 1
    assert WorldSettings(pairs=100, missing=0.0).planted("missing") == 0
    assert WorldSettings(pairs=6000).planted("near_duplicate") == 240


def test_there_is_a_rate_for_every_fault() -> None:
    assert set(FAULTY) == set(FAULTS) - {"none"}
    assert all(WorldSettings(pairs=10).planted(fault) == 1 for fault in FAULTY)


@pytest.mark.parametrize(
    "wrong, word",
    [
        ({"pairs": 0}, "pairs"),
        ({"seed": -1}, "seed"),
        ({"side": 8}, "side"),
        ({"true": 0.5}, "sum"),
        ({"true": -0.1, "wrong": 0.785}, "true"),
        ({"missing": 1.5}, "missing"),
    ],
)
def test_settings_out_of_bounds_are_refused(wrong: dict[str, float], word: str) -> None:
    with pytest.raises(UsageError) as refused:
        WorldSettings(**wrong)  # type: ignore[arg-type]
    assert word in refused.value.message
    assert refused.value.hint
