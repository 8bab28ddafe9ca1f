"""Tiny encoders that heads can be put on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from tests.clip.checkpoints import WORDS, write_tokenizer
from tests.probe.drawn import COLOURS, SHAPES

IMAGE = "timm:test_resnet@random:0"
_KNOWN = [*WORDS, *(word for word in (*COLOURS, *SHAPES) if word not in WORDS)]


def write_words(folder: Path, *, seed: int = 1, padding: str = "right") -> Any:
    """DistilBERT as transformers saves it; gives the model."""
    config = transformers.DistilBertConfig(
        vocab_size=len(_KNOWN), dim=32, hidden_dim=48, n_layers=2, n_heads=2, max_position_embeddings=16
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = transformers.DistilBertModel(config)
        for weight in made.parameters():
            if weight.ndim > 1:
                weight.data.normal_(0, 0.2)
    made.eval().save_pretrained(folder)
    write_tokenizer(folder, padding=padding, words=_KNOWN)
    return made
