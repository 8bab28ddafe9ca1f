from __future__ import annotations

import math

import pytest

from vlcorpus.probe.student import distribution, incomplete_beta, quantile, two_sided


@pytest.mark.parametrize(
    ("probability", "freedom", "value"),
    [
        (0.975, 1, 12.706204736174694),
        (0.975, 2, 4.302652729749462),
        (0.975, 3, 3.1824463052837078),
        (0.975, 4, 2.7764451051977934),
        (0.975, 9, 2.262157162798205),
        (0.975, 30, 2.0422724563012378),
        (0.975, 1000, 1.9623390808264083),
        (0.995, 4, 4.604094871349992),
        (0.95, 7, 1.8945786050900062),
        (0.8, 2, 1.0606601717798214),
        (0.8, 4, 0.9409645772351816),
        (0.9995, 3, 12.923978636687961),
    ],
)
def test_known_quantiles(probability: float, freedom: int, value: float) -> None:
    assert quantile(probability, freedom) == pytest.approx(value, rel=1e-9)
    assert quantile(1 - probability, freedom) == pytest.approx(-value, rel=1e-9)
    assert distribution(value, freedom) == pytest.approx(probability, rel=1e-11)


def test_one_and_two_degrees_have_closed_forms() -> None:
    for t in (-30.0, -2.0, -0.1, 0.0, 0.3, 1.0, 50.0):
        assert distribution(t, 1) == pytest.approx(0.5 + math.atan(t) / math.pi, abs=1e-13)
        assert distribution(t, 2) == pytest.approx(0.5 + t / (2 * math.sqrt(2 + t * t)), abs=1e-13)


def test_two_sided() -> None:
    for t, freedom in ((2.0, 3), (-2.0, 3), (0.5, 7.5)):
        assert two_sided(t, freedom) == pytest.approx(2 * (1 - distribution(abs(t), freedom)), rel=1e-9)
    assert two_sided(0, 4) == 1 and two_sided(math.inf, 4) == 0
    assert two_sided(1e6, 2) == pytest.approx(1e-12, rel=1e-3), "small ones too"
    with pytest.raises(ValueError):
        two_sided(1.0, 0)


def test_incomplete_beta() -> None:
    assert incomplete_beta(2, 3, 0) == 0
    assert incomplete_beta(2, 3, 1) == 1
    for x in (0.01, 0.3, 0.5, 0.9):
        assert incomplete_beta(2, 3, x) == pytest.approx(x**2 * (6 - 8 * x + 3 * x**2), rel=1e-12)
        assert incomplete_beta(0.5, 0.5, x) == pytest.approx(2 / math.pi * math.asin(math.sqrt(x)), rel=1e-12)


def test_impossible_arguments() -> None:
    for probability in (0.0, 1.0, -1.0, 2.0):
        with pytest.raises(ValueError):
            quantile(probability, 3)
    with pytest.raises(ValueError):
        distribution(1.0, 0)
    with pytest.raises(ValueError):
        incomplete_beta(1, 1, 1.5)
