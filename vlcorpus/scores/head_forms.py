"""Which tensors are which head: the published files, told by the names and shapes of what is in them.

    head_of("aesthetic", {"weight": (1, 768), "bias": (1,)})          -> Head "laion-v1": 768 > 1
    head_of("nsfw", {"norm.mean": ..., "linear_1.weight": ..., ...})  -> Head "laion-keras": 768 scale > 64 relu > ...

form            of         tensors, and what stands between them
laion-v1        aesthetic  weight, bias: one linear layer
laion-v2        aesthetic  layers.{0,2,4,6,7}: dropout, which is nothing at rest
laion-v2-relu   aesthetic  layers.{0,3,6,9,11}: relu
laion-keras     nsfw       norm.{mean,variance}, linear_1 .. linear_N: relu, and a sigmoid at the end
laion-h14       nsfw       layers.{0,3,6,9,12,15,16}: relu, none before the last; the value is held to 0..1
datacomp        nsfw       norm.{weight,bias,running_mean,running_var}, dense, dense1 ..: relu, and a sigmoid at the end
described       both       as `layers` in the metadata of a safetensors file says: "norm fc1 gelu fc2 sigmoid"

Widths are what the shapes say. What has none of these forms is refused: numbers do not tell where an activation was.

Sources: LAION-AI/aesthetic-predictor (sa_0_4_vit_*_linear.pth); christophschuhmann/improved-aesthetic-predictor
(*linearMSE.pth, ava+logos-l14-reluMSE.pth); LAION-AI/CLIP-based-NSFW-Detector (SavedModels of Keras, whose variables
`from_keras` gives the names of their PyTorch conversions, and h14_nsfw.pth, trained on 0 and 1 by squared error);
mlfoundations/dataset2metadata (batch normalisation with an epsilon of 0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import numpy as np

from vlcorpus.errors import SourceError
from vlcorpus.scores.heads import ACTIVATIONS, Affine, Head, Layer, Numbers, Scale

Kind = Literal["aesthetic", "nsfw"]
Arrays = Mapping[str, Numbers]

# Places of the weights in a torch.nn.Sequential -> name, of what, and what stands behind each.
_SEQUENTIAL: dict[tuple[int, ...], tuple[str, Kind, tuple[str, ...]]] = {
    (0, 2, 4, 6, 7): ("laion-v2", "aesthetic", ("", "", "", "", "")),
    (0, 3, 6, 9, 11): ("laion-v2-relu", "aesthetic", ("relu", "relu", "relu", "relu", "")),
    (0, 3, 6, 9, 12, 15, 16): ("laion-h14", "nsfw", ("relu", "relu", "relu", "relu", "relu", "", "clamp")),
}
KERAS_EPSILON = 1e-7
"""Least divisor of Keras's Normalization, which gives (x - mean) / max(sqrt(variance), epsilon)."""
_KERAS = re.compile(r"layer_with_weights-(\d+)/(\w+)/\.ATTRIBUTES/VARIABLE_VALUE")
_BATCHES = "num_batches_tracked"


def head_of(kind: Kind, tensors: Arrays, metadata: Mapping[str, str] | None = None) -> Head:
    """The head that these float64 arrays are. SourceError where they are none of `kind` that is known, or do not fit
    together."""
    described = (metadata or {}).get("layers")
    if described is not None:
        return _described(kind, described, tensors)
    names = {name for name in tensors if name.rpartition(".")[2] != _BATCHES}
    if names == {"weight", "bias"}:
        return _of("aesthetic", kind, Head("laion-v1", (_affine(tensors, ""),)))
    places = _places(names)
    if places is not None and places in _SEQUENTIAL:
        form, made_for, behind = _SEQUENTIAL[places]
        layers: list[Layer] = []
        for place, activation in zip(places, behind, strict=True):
            layers += [_affine(tensors, f"layers.{place}"), *([activation] if activation else [])]
        return _of(made_for, kind, Head(form, tuple(layers)))
    if {"norm.mean", "norm.variance"} <= names and (steps := _numbered(names, "norm.mean norm.variance", "linear_", 1)):
        first = _keras_scale(tensors["norm.mean"], tensors["norm.variance"])
        return _of("nsfw", kind, Head("laion-keras", (first, *_perceptron(tensors, steps))))
    norm = "norm.weight norm.bias norm.running_mean norm.running_var"
    if set(norm.split()) <= names and (steps := _numbered(names, norm, "dense", 0)):
        return _of("nsfw", kind, Head("datacomp", (_batch_scale(tensors, "norm"), *_perceptron(tensors, steps))))
    raise SourceError(
        f"not the tensors of a known {kind} head: {_listed(names)}",
        "see docs/scores-heads.md for the forms, and how to describe another one",
    )


def from_keras(variables: Arrays) -> dict[str, Numbers]:
    """The variables of one of LAION's SavedModels under the names of their PyTorch conversion.

    The first layer encodes categories and has no part in it: the few columns that it took for categories have an empty
    table, so that their value said nothing. The second is the normalisation, the others are dense.
    """
    layers: dict[int, dict[str, Numbers]] = {}
    for name, values in variables.items():
        if (found := _KERAS.fullmatch(name)) is not None:
            layers.setdefault(int(found[1]), {})[found[2]] = values
    numbers = sorted(layers)
    if not numbers or not {"mean", "variance"} <= set(layers[numbers[0]]):
        raise SourceError(
            f"not the variables of a known nsfw head: {_listed(variables)}", "see docs/scores-heads.md for the forms"
        )
    first, *others = numbers
    renamed = {"norm.mean": layers[first]["mean"], "norm.variance": layers[first]["variance"]}
    for place, number in enumerate(others, 1):
        if set(layers[number]) != {"kernel", "bias"} or layers[number]["kernel"].ndim != 2:
            raise SourceError(f"layer {number} is not dense: {_listed(layers[number])}", "")
        renamed[f"linear_{place}.weight"] = np.ascontiguousarray(layers[number]["kernel"].T)
        renamed[f"linear_{place}.bias"] = layers[number]["bias"]
    return renamed


def _of(made_for: Kind, kind: Kind, head: Head) -> Head:
    if made_for != kind:
        raise SourceError(f"{head.form} is a head of {made_for}, not of {kind}", f"score {made_for} with it")
    return head


def _described(kind: Kind, text: str, tensors: Arrays) -> Head:
    layers: list[Layer] = []
    used: set[str] = set()
    for word in text.split():
        if word in ACTIVATIONS:
            layers.append(word)
            continue
        held = {name for name in tensors if name.rpartition(".")[0] == word}
        ends = {name.rpartition(".")[2] for name in held}
        used |= held
        if ends == {"weight", "bias"}:
            layers.append(_affine(tensors, word))
        elif ends == {"mean", "variance"}:
            layers.append(_keras_scale(tensors[f"{word}.mean"], tensors[f"{word}.variance"]))
        elif ends - {_BATCHES} == {"weight", "bias", "running_mean", "running_var"}:
            layers.append(_batch_scale(tensors, word))
        else:
            raise SourceError(
                f"described as {text!r}, but {word} has {_listed(ends) or 'no tensors'}",
                "a word is an activation (" + ", ".join(ACTIVATIONS) + ") or the name before .weight and .bias",
            )
    if used != set(tensors):
        raise SourceError(f"described as {text!r}, which leaves out {_listed(set(tensors) - used)}", "name every layer")
    if kind == "nsfw" and (not layers or layers[-1] not in ("sigmoid", "clamp")):
        raise SourceError(f"described as {text!r}, whose end is no probability", "end with sigmoid or clamp")
    return Head("described", tuple(layers))


def _places(names: set[str]) -> tuple[int, ...] | None:
    found: dict[int, set[str]] = {}
    for name in names:
        parts = re.fullmatch(r"layers\.(\d{1,3})\.(weight|bias)", name)
        if parts is None:
            return None
        found.setdefault(int(parts[1]), set()).add(parts[2])
    return tuple(sorted(found)) if all(len(ends) == 2 for ends in found.values()) else None


def _numbered(names: set[str], also: str, stem: str, start: int) -> list[str]:
    """`linear_1`, `linear_2`, .. (or `dense`, `dense1`, ..) where the names are exactly these and `also`; else none."""
    count = (len(names) - len(also.split())) // 2
    steps = [stem + (str(number) if number else "") for number in range(start, start + count)]
    wanted = {f"{step}.{end}" for step in steps for end in ("weight", "bias")} | set(also.split())
    return steps if wanted == names else []


def _perceptron(tensors: Arrays, steps: list[str]) -> list[Layer]:
    layers: list[Layer] = []
    for step in steps:
        layers += [_affine(tensors, step), "sigmoid" if step == steps[-1] else "relu"]
    return layers


def _affine(tensors: Arrays, name: str) -> Affine:
    lead = f"{name}." if name else ""
    return Affine(tensors[f"{lead}weight"], tensors[f"{lead}bias"])


def _keras_scale(mean_D: Numbers, variance_D: Numbers) -> Scale:
    _check_variance(mean_D, variance_D, least=0.0)
    return Scale(mean_D, 1.0 / np.maximum(np.sqrt(variance_D), KERAS_EPSILON), np.zeros_like(mean_D))


def _batch_scale(tensors: Arrays, name: str) -> Scale:
    mean_D, variance_D = tensors[f"{name}.running_mean"], tensors[f"{name}.running_var"]
    if not tensors[f"{name}.weight"].shape == tensors[f"{name}.bias"].shape == mean_D.shape:
        raise SourceError(f"the normalisation {name} has tensors of several shapes", "the file is damaged")
    _check_variance(mean_D, variance_D, least=np.finfo(np.float64).tiny)
    return Scale(mean_D, tensors[f"{name}.weight"] / np.sqrt(variance_D), tensors[f"{name}.bias"])


def _check_variance(mean_D: Numbers, variance_D: Numbers, *, least: float) -> None:
    if mean_D.ndim != 1 or mean_D.shape != variance_D.shape or not (variance_D >= least).all():
        raise SourceError(
            f"the normalisation has means {mean_D.shape} and variances {variance_D.shape}, one for each number of an "
            f"embedding and above 0 wanted",
            "the file is damaged, or of another kind",
        )


def _listed(names: Mapping[str, object] | set[str]) -> str:
    shown = sorted(names)[:8]
    clean = ["".join(sign if sign.isprintable() else "?" for sign in name[:60]) for name in shown]
    return ", ".join(clean) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
