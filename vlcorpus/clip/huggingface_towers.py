"""Towers of transformers and sentence-transformers, built from what `huggingface` found.

    >>> image, text = build(located, weights, torch.device("cpu"))
    >>> image.forward(batch_N3SS), text.forward(text.tokenize(["a dog", "ein Hund"]))

transformers builds and fills its own classes, which are named here one by one: no code comes with a checkpoint. A
checkpoint that leaves a tensor of its model unfilled is an error, for the rest would be random. Tokens travel as
(N, 2, L): numbers, and which of them are there. SigLIP's texts are always as long as its tower reads, as in training.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vlcorpus.clip.encoder import ImageTower, TextTower
from vlcorpus.clip.huggingface import MODELS, TEXTS, library
from vlcorpus.clip.located import Located, line, quiet
from vlcorpus.clip.preprocess import normalise
from vlcorpus.errors import SourceError

_LONGEST = 512
"""Tokens of a text where neither model nor tokenizer says."""


def build(located: Located, weights: Mapping[str, Tensor], place: torch.device) -> tuple[ImageTower | None, TextTower]:
    """Both towers, or the text tower of sentence-transformers alone. SourceError where weights and settings differ."""
    try:
        with quiet(), _silent(located.reference), torch.random.fork_rng(devices=[]):
            names = MODELS if located.kind == "transformers" else TEXTS
            model = _model(located, names[located.settings["model_type"]], place)
            tokenizer = library(located.reference).AutoTokenizer.from_pretrained(
                located.base, local_files_only=True, trust_remote_code=False
            )
            if located.kind == "sentence":
                return None, _sentence_tower(located, model, tokenizer, weights, place)
            return _both(located, model, tokenizer)
    except (SourceError, KeyboardInterrupt):
        raise
    except ImportError as error:
        raise SourceError(f"{located.reference} needs another package: {line(error)}", "install it") from error
    except Exception as error:  # whatever a configuration, tokenizer and weights of others can bring about
        raise SourceError(
            f"{located.reference} cannot be built: {line(error)}", "do weights, tokenizer and settings belong together?"
        ) from error


@contextlib.contextmanager
def _silent(reference: str) -> Iterator[None]:
    """transformers draws bars and reports to standard error, of what is checked here."""
    says = library(reference).utils.logging
    level, bars = says.get_verbosity(), says.is_progress_bar_enabled()
    says.set_verbosity_error()
    says.disable_progress_bar()
    try:
        yield
    finally:
        says.set_verbosity(level)
        if bars:
            says.enable_progress_bar()


def _model(located: Located, name: str, place: torch.device) -> Any:
    more = {"add_pooling_layer": False} if located.kind == "sentence" and name in _POOLED else {}
    model, found = getattr(library(located.reference), name).from_pretrained(
        located.base,
        local_files_only=True,
        use_safetensors=True,
        dtype=torch.float32,
        # A configuration may name a kernel that would be fetched.
        attn_implementation="sdpa",
        output_loading_info=True,
        **more,
    )
    lacking = sorted(found["missing_keys"]) + sorted(str(each) for each in found["mismatched_keys"])
    if lacking:
        raise SourceError(
            f"{located.reference} has no fitting weights for {len(lacking)} tensors of {name}: {lacking[0]} …",
            "download or save the model again",
        )
    return model.eval().requires_grad_(False).to(place)


_POOLED = ("BertModel", "MPNetModel", "RobertaModel", "XLMRobertaModel")  # with a pooler that pooling here does not use


def _both(located: Located, model: Any, tokenizer: Any) -> tuple[ImageTower, TextTower]:
    how, text = located.preprocessing, model.config.text_config
    assert how is not None
    whole = located.settings["model_type"] == "siglip"

    def image_tower(batch: Tensor) -> Tensor:
        encoded: Tensor = model.get_image_features(pixel_values=normalise(batch, how)).pooler_output
        return encoded

    def text_tower(tokens: Tensor) -> Tensor:
        mask = None if whole else tokens[:, 1]
        encoded: Tensor = model.get_text_features(input_ids=tokens[:, 0], attention_mask=mask).pooler_output
        return encoded

    cut = _tokenize(tokenizer, _longest(tokenizer, text), whole=whole)
    scale = float(model.logit_scale.detach().exp())
    return ImageTower(how, image_tower, scale, model), TextTower(cut, text_tower, model)


def _sentence_tower(
    located: Located, model: Any, tokenizer: Any, weights: Mapping[str, Tensor], place: torch.device
) -> TextTower:
    pooling, lower, longest = (located.also[key] for key in ("pooling", "lower", "longest"))
    layers = [
        (
            _matrix(located, weights, each["prefix"] + "linear.weight", place),
            weights[name].float().to(place) if (name := each["prefix"] + "linear.bias") in weights else None,
            each["activation"],
        )
        for each in located.also["dense"]
    ]

    def forward(tokens: Tensor) -> Tensor:
        words_NLD = model(input_ids=tokens[:, 0], attention_mask=tokens[:, 1]).last_hidden_state
        if pooling == "cls":
            rows: Tensor = words_NLD[:, 0]
        else:
            there = tokens[:, 1].unsqueeze(2).to(words_NLD.dtype)
            rows = (words_NLD * there).sum(1) / there.sum(1).clamp(min=1e-9)
        for weight, bias, activation in layers:
            rows = torch.nn.functional.linear(rows, weight, bias)
            rows = rows.tanh() if activation == "tanh" else rows
        return rows

    most = _longest(tokenizer, model.config)
    cut = _tokenize(tokenizer, min(longest or most, most))
    # As sentence-transformers does before it cuts.
    return TextTower(lambda texts: cut([(text.lower() if lower else text).strip() for text in texts]), forward, model)


def _matrix(located: Located, weights: Mapping[str, Tensor], name: str, place: torch.device) -> Tensor:
    if name not in weights or weights[name].ndim != 2:
        raise SourceError(f"{located.reference} has no matrix {name}", "download or save the model again")
    return weights[name].float().to(place)


def _longest(tokenizer: Any, config: Any) -> int:
    """Tokens of the longest text that the tower reads."""
    positions = getattr(config, "max_position_embeddings", None) or _LONGEST
    # RoBERTa and its kin count positions from behind the padding's number.
    if getattr(config, "model_type", "") in ("roberta", "xlm-roberta", "altclip_text_model", "mpnet"):
        positions -= int(getattr(config, "pad_token_id", 1) or 0) + 1
    return max(1, min(int(positions), int(min(tokenizer.model_max_length, 1 << 20))))


def _tokenize(tokenizer: Any, longest: int, *, whole: bool = False) -> Callable[[Sequence[str]], Tensor]:
    def tokenize(texts: Sequence[str]) -> Tensor:
        made = tokenizer(
            list(texts),
            padding="max_length" if whole else True,
            truncation=True,
            max_length=longest,
            return_attention_mask=True,
            return_tensors="pt",
        )
        return torch.stack([made["input_ids"], made["attention_mask"]], 1)

    return tokenize
