"""The name of a model that was trained again within one process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vlcorpus.clip import trainable
from vlcorpus.corpus import Corpus
from vlcorpus.stages import models


@pytest.mark.parametrize("architecture", ["conv-nano", "vit-nano"])
def test_other_weights_in_the_same_folder_have_another_name(architecture: str, tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    names = []
    for seed in (0, 1):
        for name, body in trainable.build(architecture, seed=seed).files({"name": "p"}).items():
            path = tmp_path / "p" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(body)
            os.utime(path, (seed, seed))
        names.append(models.slug(corpus, str(tmp_path / "p")))
    assert names[0] != names[1]
