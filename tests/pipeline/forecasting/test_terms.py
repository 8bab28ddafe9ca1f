from __future__ import annotations

import math

import pytest

from vlcorpus.errors import UsageError
from vlcorpus.pipeline.forecasting.terms import DEFAULT_MACHINE, MOST_ROWS, Machine, fitted, machine_of, rows_of


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("1", 1),
        ("12_800_000", 12_800_000),
        ("1e9", 10**9),
        ("1E9", 10**9),
        ("5.85e9", 5_850_000_000),
        ("400M", 400_000_000),
        ("5.85B", 5_850_000_000),
        ("1.5k", 1_500),
        ("2G", 2 * 10**9),
        ("1T", 10**12),
        (" 7 ", 7),
        ("1e15", MOST_ROWS),
    ],
)
def test_sizes(text: str, rows: int) -> None:
    assert rows_of(text) == rows


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "0", "-1", "1.5", "0.1k1", "1e-3", "nan", "inf", "1e16", "1e99", "2000T", "1__0", "_1", "1_", "1,000",
        "٣", "5 B", "B", "0x10", "1e9e9", "9" * 400, "1\n2", "$(id)",
    ],
)  # fmt: skip
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError) as error:
        rows_of(text)
    assert error.value.hint and len(error.value.message) < 120


def test_machines() -> None:
    assert machine_of("cores=64,gpus=8,ram=256,disk=4000,net=25,price=2.5,name=big") == Machine(
        64, 8, 256.0, 4_000.0, 25.0, 2.5, "big"
    )
    assert machine_of("cores=4") == Machine(4, price=None)
    assert machine_of(" price = 0 ") == Machine(DEFAULT_MACHINE.cores, price=0.0)


@pytest.mark.parametrize(
    "text",
    [
        "", "64", "cores", "cores=", "cores=0", "cores=-1", "cores=1.5", "cores=nan", "cores=1e3", "cores=9999999",
        "gpus=0.5", "ram=0", "ram=inf", "net=0", "price=-1", "price=1e400", "color=red", "cores=4,cores=5",
        "name=", "name=a b", "name=\x1b[31m", "cores=４", "cores=" + "9" * 400, ",",
    ],
)  # fmt: skip
def test_what_is_no_machine(text: str) -> None:
    with pytest.raises(UsageError) as error:
        machine_of(text)
    assert error.value.hint and len(error.value.message) < 160


def test_a_rate_is_the_slope_and_start_up_what_remains() -> None:
    found = fitted((50, 1.0 + 50 * 0.01), (500, 1.0 + 500 * 0.01))
    assert found.per_row == pytest.approx(0.01) and found.fixed == pytest.approx(1.0) and not found.short


def test_no_time_before_the_start() -> None:
    assert fitted((50, 0.1), (500, 2.0)).fixed == 0.0


@pytest.mark.parametrize("more", [0.30, 0.35, 0.39, 0.2])
def test_times_that_hardly_differ_are_bounds(more: float) -> None:
    """All of the time is laid to the rows: no true rate is above it, and more rows are asked for."""
    found = fitted((50, 0.3), (500, more))
    assert found.short and found.fixed == 0.0 and found.per_row == pytest.approx(more / 500)
    assert found.ask > 500
    assert found.ask == int(f"{found.ask:.0e}".split("e")[0]) * 10 ** int(math.log10(found.ask))  # one digit


def test_no_rows_and_one_size() -> None:
    assert fitted((0, 0.0), (0, 0.2)).per_row == 0.0
    assert fitted((5, 1.0), (5, 9.0)).short


def test_bytes_are_told_apart_however_few() -> None:
    found = fitted((50, 2_000 + 50 * 8), (500, 2_000 + 500 * 8), least=1.0)
    assert (found.per_row, found.fixed) == (8.0, 2_000.0)
