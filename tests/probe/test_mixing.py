from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from tests.probe.looped import Plain, source, weights
from vlcorpus.errors import UsageError
from vlcorpus.probe.batches import Batches
from vlcorpus.probe.mixing import Mixing, Plan, spread
from vlcorpus.probe.objective import Objective
from vlcorpus.probe.settings import TrainSettings
from vlcorpus.probe.train import train

SETTINGS = TrainSettings(steps=12, batch_size=16, precision="fp32", augment="none", seed=4)
CPU = torch.device("cpu")


def _walked(plan: Plan) -> list[list[tuple[int, int, int]]]:
    """Source, start and count of each part of each update; starts are checked against a plain count."""
    at = [0] * len(plan.totals)
    walked = []
    for update in range(plan.updates):
        parts = [part for turn in plan.turns(update) for part in turn.parts]
        for part in parts:
            assert part.start == at[part.source]
            at[part.source] += part.count
        assert plan.seen(update + 1) == tuple(at)
        walked.append([(part.source, part.start, part.count) for part in parts])
    return walked


@pytest.mark.parametrize(
    ("sizes", "shares"),
    [([6000, 2000], ()), ([5, 7, 11], (0.1, 0.7, 0.2)), ([10, 10, 10, 10], (1, 1, 1, 1)), ([1, 999_999], ())],
)
def test_merged_keeps_to_its_shares_at_all_times(sizes: list[int], shares: tuple[float, ...]) -> None:
    plan = Mixing("merged", shares).plan(sizes, steps=50, batch_size=7)
    assert plan.updates == 50
    walked = _walked(plan)
    assert all(sum(count for *_, count in parts) == 7 for parts in walked)
    wanted = np.array(shares or sizes, float) / sum(shares or sizes)
    for update in range(1, 51):
        assert np.abs(np.array(plan.seen(update)) - 7 * update * wanted).max() <= len(sizes) / 2 + 1
    assert np.abs(np.array(plan.seen(50)) - 350 * wanted).max() < 1


def test_spread_is_a_walk_in_order_of_time() -> None:
    """Against the plain way: all places sorted."""
    generator = np.random.default_rng(0)
    for _ in range(60):
        totals = generator.integers(0, 9, generator.integers(1, 5)).tolist()
        if not sum(totals):
            continue
        places = sorted(((2 * j + 1) / (2 * n), i) for i, n in enumerate(totals) for j in range(n))
        for position in range(sum(totals) + 1):
            taken = [source for _, source in places[:position]]
            assert spread(position, totals) == tuple(taken.count(i) for i in range(len(totals)))


def test_round_robin_takes_turns() -> None:
    walked = _walked(Mixing("round-robin").plan([100, 50, 7], steps=8, batch_size=4))
    assert [parts[0][0] for parts in walked] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert all(len(parts) == 1 and parts[0][2] == 4 for parts in walked)
    weighted = _walked(Mixing("round-robin", (3, 1)).plan([10, 10], steps=8, batch_size=4))
    assert [parts[0][0] for parts in weighted].count(1) == 2


def test_accumulation_takes_a_batch_of_every_source() -> None:
    plan = Mixing("accumulate").plan([300, 100], steps=8, batch_size=4)
    assert plan.updates == 4
    assert plan.seen(4) == (16, 16)
    assert [(turn.parts[0].source, turn.weight) for turn in plan.turns(2)] == [(0, 0.75), (1, 0.25)]
    assert _walked(Mixing("accumulate", (1, 3)).plan([9, 9], 7, 2))[0] == [(0, 0, 2)]


@pytest.mark.parametrize("how", ["merged", "round-robin", "accumulate"])
def test_all_ways_see_the_same_number_of_samples(how: str) -> None:
    sources = [source("a", 90), source("b", 40, 1), source("c", 30, 2)]
    curve = train(Plain(), sources, SETTINGS, mixing=Mixing(how))  # type: ignore[arg-type]
    assert curve.samples_seen == sum(curve.seen.values()) == curve.steps[-1].samples_seen == 12 * 16
    assert curve.repetitions_by == {each.name: curve.seen[each.name] / len(each) for each in sources}
    assert curve.repetitions == max(curve.repetitions_by.values())
    if how == "merged":
        assert curve.seen == {"a": 108, "b": 48, "c": 36}
    else:
        assert curve.seen == {"a": 64, "b": 64, "c": 64}


def test_what_a_capped_source_may_not_see_goes_to_the_others() -> None:
    plan = Mixing("merged", (1, 1, 1), most_repeats=2).plan([100, 20, 1000], steps=10, batch_size=64)
    assert plan.totals == (200, 40, 400)
    assert Mixing("merged", most_repeats=0.64).plan([100, 900], 10, 64).totals == (64, 576)
    assert Mixing("round-robin", most_repeats=2).plan([4, 100], 10, 4).totals == (2, 8)
    capped = Mixing("accumulate", (1, 1, 2), most_repeats=2).plan([4, 100, 100], 11, 4)
    assert capped.seen(capped.updates) == (8, 20, 16)
    for update in range(capped.updates):
        assert sum(turn.weight for turn in capped.turns(update)) == pytest.approx(1)
    _walked(capped)


@pytest.mark.parametrize("how", ["merged", "round-robin", "accumulate"])
def test_exhausted_sources_are_an_error(how: str) -> None:
    mixing = Mixing(how, most_repeats=2)  # type: ignore[arg-type]
    assert sum(mixing.plan([32, 32], 8, 16).seen(1)) in (16, 32)
    with pytest.raises(UsageError, match="exhausted"):
        mixing.plan([32, 31], 8, 16)


@pytest.mark.parametrize(
    ("mixing", "told"),
    [
        (lambda: Mixing("stirred"), "stirred"),
        (lambda: Mixing(weights=(1, 0)), "weights"),
        (lambda: Mixing(most_repeats=-1), "most_repeats"),
        (lambda: Mixing(weights=(1,)).plan([1, 2], 1, 2), "2 sources"),
    ],
)
def test_a_wrong_mixing(mixing: object, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        mixing()  # type: ignore[operator]


def test_accumulated_gradients_are_the_weighted_sum() -> None:
    sources, settings = (source("a", 60), source("b", 40, 1), source("c", 50, 2)), SETTINGS
    mixing = Mixing("accumulate", (0.2, 0.5, 0.3))
    plan = mixing.plan([60, 40, 50], settings.steps, settings.batch_size)
    batches = Batches(sources, plan, settings, CPU).at(1)

    def gradient(chosen: list[int], alone: bool) -> dict[str, torch.Tensor]:
        model = Plain(dtype=torch.float64)
        objective = Objective(model, settings, "fp32", None)
        for place in chosen:
            objective.backward(dataclasses.replace(batches[place], weight=1.0) if alone else batches[place], 0)
        return {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}

    together = gradient([0, 1, 2], alone=False)
    singles = [gradient([place], alone=True) for place in range(3)]
    for name, found in together.items():
        wanted = sum(weight * single[name] for weight, single in zip(mixing.weights, singles, strict=True))
        assert found.dtype == torch.float64
        assert torch.allclose(found, wanted, rtol=1e-6, atol=1e-12)
        assert found.abs().max() > 0


def test_mixing_changes_the_weights_and_nothing_else_does() -> None:
    sources = [source("a", 90), source("b", 40, 1)]
    found = []
    for how in ("merged", "round-robin", "accumulate", "merged"):
        model = Plain()
        train(model, sources, SETTINGS, mixing=Mixing(how))  # type: ignore[arg-type]
        found.append(weights(model)["words.weight"])
    assert torch.equal(found[0], found[3])
    assert not any(torch.equal(found[left], found[right]) for left, right in ((0, 1), (1, 2), (0, 2)))
