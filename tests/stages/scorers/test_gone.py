"""Scores whose weights or plug-in are gone since are still decided on: nothing wants to make them again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scores import published_heads
from tests.stages.given import committed, run_here
from tests.stages.scorers.test_aesthetic import WIDTH, corpus, write_weights  # noqa: F401
from tests.stages.scorers.test_head import PIXELS, write  # noqa: F401
from vlcorpus.corpus import Corpus
from vlcorpus.stages import registry
from vlcorpus.stages.filter import Filter
from vlcorpus.stages.score import Score
from vlcorpus.stages.scorers.plug_in import plug_in


def test_scores_are_decided_on_where_their_weights_are_gone(
    corpus: Corpus,  # noqa: F811
    tmp_path: Path,
    write: Callable[[str, str], str],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = Path(write_weights(tmp_path, published_heads.aesthetic_v1(WIDTH)))
    head = write("th_left", PIXELS) + ":Head"
    run_here(corpus, [Score(score="aesthetic", weights=str(weights)), Score(score="head", named="bright", head=head)])
    weights.unlink()
    (tmp_path / "modules" / "th_left.py").unlink()
    plug_in.cache_clear()
    monkeypatch.delitem(sys.modules, "th_left")
    for layer in ("scores/aesthetic", "scores/head-bright"):
        assert registry.maker(corpus, layer, Filter()) is None
    made = committed(run_here(corpus, [Filter(where=("aesthetic > -100 and head_bright > 0",), decision="d")]))
    assert made and all("decisions/d" in each for each in made)
