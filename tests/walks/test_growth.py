"""A corpus that grows, as a user at a shell sees it: nothing is made again, and a filter says how its cut moved."""

from __future__ import annotations

import re
from pathlib import Path

from tests.cli.shell import vlcorpus
from tests.stages.given import write_probe
from vlcorpus.world.trusted import write_trusted


def test_the_same_filter_says_how_its_cut_moved_and_frozen_keeps_it(tmp_path: Path) -> None:
    write_trusted(tmp_path / "first", 40, seed=1)
    write_trusted(tmp_path / "second", 30, seed=2)
    write_probe(tmp_path / "model")
    vlcorpus("import", "c", "first", "--image-size", "32", "--shard-rows", "25", cwd=tmp_path)
    vlcorpus("embed", "c", "--model", "model", cwd=tmp_path)
    first = vlcorpus("filter", "c", "--top-fraction", "0.3", cwd=tmp_path)
    assert first.code == 0 and "filter similarity-top-0.3: 12 of 40 kept" in first.err
    assert "changed their verdict" not in first.err
    vlcorpus("import", "c", "second", "--image-size", "32", cwd=tmp_path)

    frozen = vlcorpus("filter", "c", "--top-fraction", "0.3", "--frozen", cwd=tmp_path)
    assert frozen.code == 0 and "embed: 30 of 30 kept" in frozen.err
    assert "; 0 rows changed their verdict" not in frozen.err and "similarity 0." not in frozen.err

    grown = vlcorpus("filter", "c", "--top-fraction", "0.3", cwd=tmp_path)
    assert grown.code == 0 and "filter similarity-top-0.3: 21 of 70 kept" in grown.err
    assert re.search(
        r"^decisions/similarity-top-0.3: similarity \S+ -> \S+; \d+ rows? changed", grown.err, re.MULTILINE
    )
    again = vlcorpus("filter", "c", "--top-fraction", "0.3", cwd=tmp_path)
    assert "filter similarity-top-0.3: unchanged" in again.err
