from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from tests.stages.scorers.texts import corpus_of
from vlcorpus.expression.kernels import readable
from vlcorpus.stages.scorers.alt_texts import alt_texts, joined


def test_texts_and_uids_are_those_of_the_candidates(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path / "c", ["a cat", "", "猫"], [])
    uids, texts = alt_texts(corpus, "00000")
    assert texts.to_pylist() == ["a cat", "", "猫"] and uids.type == pa.binary(16)
    uids, texts = alt_texts(corpus, "00001")
    assert len(uids) == len(texts) == 0 and texts.type == pa.string()


def test_what_is_not_unicode_is_replaced() -> None:
    body, offsets = b"a\xff\xfecat", pa.array([0, 3, 6], pa.int32()).buffers()[1]
    texts = readable(pa.StringArray.from_buffers(2, offsets, pa.py_buffer(body)))
    assert texts.to_pylist() == ["a\ufffd\ufffd", "cat"]
    fine = pa.array(["é"])
    assert readable(fine) is fine


def test_chunks_are_joined() -> None:
    assert joined(pa.chunked_array([["a"], ["b", None]])).to_pylist() == ["a", "b", None]
    assert joined(pa.chunked_array([], pa.string())).to_pylist() == []
