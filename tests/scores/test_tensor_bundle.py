"""Checkpoints of TensorFlow, whole and damaged."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.scores.bundles import write_bundle
from vlcorpus.errors import SourceError
from vlcorpus.scores.tensor_bundle import read_bundle

DRAW = np.random.default_rng(0)
VARIABLES = {
    "layer_with_weights-1/mean/.ATTRIBUTES/VARIABLE_VALUE": DRAW.standard_normal(300).astype(np.float32),
    "layer_with_weights-1/variance/.ATTRIBUTES/VARIABLE_VALUE": DRAW.standard_normal(300).astype(np.float32),
    "layer_with_weights-2/kernel/.ATTRIBUTES/VARIABLE_VALUE": DRAW.standard_normal((300, 5)).astype(np.float32),
    "layer_with_weights-2/bias/.ATTRIBUTES/VARIABLE_VALUE": DRAW.standard_normal(5).astype(np.float32),
    "total": np.array(3, np.float32),
    "none": np.zeros((0, 4), np.float32),
}


def test_reads_every_float32_variable(tmp_path: Path) -> None:
    others = {"count": np.array([7], np.int64), "double": np.zeros(3)}
    for per_block in (1, 2, 100):
        write_bundle(tmp_path, VARIABLES | others, per_block=per_block)
        found = read_bundle(tmp_path)
        assert found.keys() == VARIABLES.keys()
        for name, values in VARIABLES.items():
            assert found[name].dtype == np.float32 and np.array_equal(found[name], values), name


def test_a_damaged_checkpoint_is_an_error_or_numbers(tmp_path: Path) -> None:
    """Whatever byte is another and wherever a file stops, nothing but SourceError comes out."""
    write_bundle(tmp_path, VARIABLES)
    index, data = tmp_path / "variables.index", tmp_path / "variables.data-00000-of-00001"
    whole = index.read_bytes()
    for length in range(0, len(whole), 7):
        index.write_bytes(whole[:length])
        with pytest.raises(SourceError, match="is damaged"):
            read_bundle(tmp_path)
    refused = 0
    for place in range(len(whole)):
        for byte in (0x00, 0xFF):
            index.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            try:
                assert all(values.dtype == np.float32 for values in read_bundle(tmp_path).values())
            except SourceError:
                refused += 1
    assert refused > len(whole) / 2
    index.write_bytes(whole)
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(SourceError, match="no index of a checkpoint, or is damaged"):
        read_bundle(tmp_path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"has no variables\.index"):
        read_bundle(tmp_path / "nowhere")
    write_bundle(tmp_path, VARIABLES)
    for text in (b"", b"no checkpoint", b"\0" * 100, b"\xff" * 40 + struct.pack("<Q", 0xDB4775248B80FB57)):
        (tmp_path / "variables.index").write_bytes(text)
        with pytest.raises(SourceError, match="no index of a checkpoint"):
            read_bundle(tmp_path)
