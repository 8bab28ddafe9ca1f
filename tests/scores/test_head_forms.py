"""The published forms, told by names and shapes alone; what is none of them is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.scores import published_heads
from tests.scores.published_heads import answers, arrays, stored
from vlcorpus.errors import SourceError
from vlcorpus.scores.head_forms import Kind, from_keras, head_of

FORMS: dict[str, tuple[Kind, nn.Module, str]] = {
    "laion-v1": ("aesthetic", published_heads.aesthetic_v1(), "48 > 1"),
    "laion-v2": ("aesthetic", published_heads.aesthetic_v2(), "48 > 64 > 32 > 16 > 8 > 1"),
    "laion-v2-relu": (
        "aesthetic",
        published_heads.aesthetic_v2(relu=True),
        "48 > 64 relu > 32 relu > 16 relu > 8 relu > 1",
    ),
    "laion-keras": ("nsfw", published_heads.detector(), "48 scale > 16 relu > 32 relu > 24 relu > 1 sigmoid"),
    "laion-h14": (
        "nsfw",
        published_heads.detector_h14(),
        "48 > 64 relu > 96 relu > 64 relu > 32 relu > 16 relu > 8 > 1 clamp",
    ),
    "datacomp": (
        "nsfw",
        published_heads.detector_datacomp(),
        "48 scale > 16 relu > 32 relu > 24 relu > 1 sigmoid",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_is_the_published_network(form: str) -> None:
    kind, model, architecture = FORMS[form]
    head = head_of(kind, arrays(model))
    assert (head.form, head.architecture, head.dimension) == (form, architecture, 48)
    rows = stored(5, 400)
    want = answers(model, rows)
    if form == "laion-h14":
        assert want.min() < 0 and want.max() > 1, "the network is free to leave 0..1"
        want = want.clip(0, 1)
    got = head(rows)
    assert np.abs(got - want).max() < 1e-6
    assert np.ptp(got) > 0.1
    if kind == "nsfw":
        assert got.min() >= 0 and got.max() <= 1


def test_the_detector_of_b32_has_other_widths() -> None:
    model = published_heads.detector(64, 32, 32, 1)
    head = head_of("nsfw", arrays(model))
    assert head.architecture == "64 scale > 32 relu > 32 relu > 1 sigmoid"
    rows = stored(5, 100, 64)
    assert np.abs(head(rows) - answers(model, rows)).max() < 1e-6


def keras(model: nn.Module) -> dict[str, np.ndarray]:
    """The variables of the SavedModel that a detector is the conversion of."""
    end = "/.ATTRIBUTES/VARIABLE_VALUE"
    held = arrays(model)
    found = {
        f"layer_with_weights-1/mean{end}": held["norm.mean"],
        f"layer_with_weights-1/variance{end}": held["norm.variance"],
        f"keras_api/metrics/0/total{end}": np.zeros(()),
    }
    for place in range(1, model.count + 1):  # type: ignore[operator]
        found[f"layer_with_weights-{place + 1}/kernel{end}"] = held[f"linear_{place}.weight"].T
        found[f"layer_with_weights-{place + 1}/bias{end}"] = held[f"linear_{place}.bias"]
    return found


def test_a_saved_model_is_its_conversion() -> None:
    model = published_heads.detector()
    renamed = from_keras(keras(model))
    assert renamed.keys() == arrays(model).keys()
    rows = stored(6, 100)
    assert np.array_equal(head_of("nsfw", renamed)(rows), head_of("nsfw", arrays(model))(rows))


def test_a_variance_of_nothing_divides_by_epsilon_in_keras_and_is_refused_in_a_batch_normalisation() -> None:
    held = arrays(published_heads.detector())
    held["norm.variance"][3] = 0
    assert np.isfinite(head_of("nsfw", held)(stored(1, 9))).all()
    for wrong in (0.0, -1.0, np.nan):
        held = arrays(published_heads.detector_datacomp())
        held["norm.running_var"][3] = wrong
        with pytest.raises(SourceError, match="above 0 wanted"):
            head_of("nsfw", held)


def test_a_head_of_another_kind_is_refused() -> None:
    for form, (kind, model, _) in FORMS.items():
        other: Kind = "nsfw" if kind == "aesthetic" else "aesthetic"
        with pytest.raises(SourceError, match=f"{form} is a head of {kind}, not of {other}"):
            head_of(other, arrays(model))


def changed(form: str, **changes: np.ndarray | None) -> dict[str, np.ndarray]:
    held = arrays(FORMS[form][1]) | {
        name.replace("__", "."): value for name, value in changes.items() if value is not None
    }
    return {name: value for name, value in held.items() if changes.get(name.replace(".", "__"), value) is not None}


@pytest.mark.parametrize(
    ("kind", "tensors", "says"),
    [
        ("aesthetic", {}, "not the tensors of a known aesthetic head"),
        ("aesthetic", changed("laion-v1", bias=None), "not the tensors of a known aesthetic head: weight"),
        ("aesthetic", changed("laion-v1", weight=np.zeros((2, 48)), bias=np.zeros(2)), "gives 2 numbers"),
        ("aesthetic", changed("laion-v1", more=np.zeros(3)), "not the tensors"),
        ("aesthetic", changed("laion-v2", layers__4__weight=np.zeros((16, 31))), "cannot follow 32 numbers"),
        ("aesthetic", changed("laion-v2", layers__7__bias=None), "not the tensors"),
        ("aesthetic", changed("laion-v2", layers__7__bias=np.array([np.nan])), "not finite"),
        ("nsfw", changed("laion-keras", linear_3__bias=None), "not the tensors of a known nsfw head"),
        ("nsfw", changed("laion-keras", norm__mean=np.zeros(47)), "one for each number"),
        ("nsfw", changed("laion-keras", norm__mean=np.zeros(()), norm__variance=np.zeros(())), "one for each number"),
        ("nsfw", {"norm.mean": np.zeros(4), "norm.variance": np.ones(4)}, "not the tensors"),
        ("nsfw", changed("datacomp", norm__weight=np.ones(2)), "several shapes"),
        ("nsfw", changed("datacomp", dense2__bias=None), "not the tensors"),
        ("nsfw", {f"layer\x1b[31m{place}.weight": np.zeros(1) for place in range(20)}, r"\?\[31m.* and 12 more"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(kind: Kind, tensors: dict[str, np.ndarray], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        head_of(kind, tensors)


def test_other_places_of_the_weights_are_refused_rather_than_guessed() -> None:
    model = published_heads.Sequential(nn.Linear(48, 8), nn.ReLU(), nn.Linear(8, 1))
    with pytest.raises(SourceError, match="not the tensors") as refused:
        head_of("aesthetic", arrays(model))
    assert "docs/scores-heads.md" in refused.value.hint


def test_a_described_head_is_what_its_metadata_say() -> None:
    torch.manual_seed(0)
    norm, first, second = nn.BatchNorm1d(48, eps=0), nn.Linear(48, 20), nn.Linear(20, 1)
    norm.running_mean, norm.running_var = torch.randn(48) * 0.1, torch.rand(48) * 1e-2 + 1e-2
    model = nn.Sequential(norm, first, nn.GELU(), second, nn.Sigmoid()).eval()
    tensors = {
        f"{name}.{end}": value.double().numpy()
        for name, layer in (("in.norm", norm), ("fc1", first), ("fc2", second))
        for end, value in layer.state_dict().items()
    }
    rows = stored(5, 100)
    for kind in ("aesthetic", "nsfw"):
        head = head_of(kind, tensors, {"layers": "in.norm fc1 gelu fc2 sigmoid"})  # type: ignore[arg-type]
        assert (head.form, head.architecture) == ("described", "48 scale > 20 gelu > 1 sigmoid")
        assert np.abs(head(rows) - answers(model, rows)).max() < 1e-6


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fc1 relu fc2", "whose end is no probability"),
        ("", "leaves out fc1.bias, fc1.weight, fc2.bias, fc2.weight"),
        ("fc1 sigmoid", "leaves out fc2.bias, fc2.weight"),
        ("fc1 relu fc3 sigmoid", "fc3 has no tensors"),
        ("fc1 tanh fc2 sigmoid", "tanh has no tensors"),
        ("fc2 relu fc1 sigmoid", "cannot follow 1 numbers"),
        ("relu fc1 fc2 sigmoid", "begins with weights"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(text: str, says: str) -> None:
    model = nn.ModuleDict({"fc1": nn.Linear(48, 20), "fc2": nn.Linear(20, 1)})
    with pytest.raises(SourceError, match=says):
        head_of("nsfw", arrays(model), {"layers": text})


def test_variables_of_other_saved_models_are_refused() -> None:
    with pytest.raises(SourceError, match="not the variables of a known nsfw head"):
        from_keras({"layer_with_weights-0/kernel/.ATTRIBUTES/VARIABLE_VALUE": np.zeros((2, 2))})
    with pytest.raises(SourceError, match="not the variables of a known nsfw head"):
        from_keras({})
    variables = keras(published_heads.detector())
    variables["layer_with_weights-3/gamma/.ATTRIBUTES/VARIABLE_VALUE"] = np.zeros(3)
    with pytest.raises(SourceError, match="layer 3 is not dense"):
        from_keras(variables)
