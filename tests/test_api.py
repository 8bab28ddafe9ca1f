from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import vlcorpus
from vlcorpus.errors import CorpusError, UsageError
from vlcorpus.world.trusted import write_trusted


def test_the_whole_room_is_what_is_promised() -> None:
    assert {name for name in vlcorpus.__all__} == {"__version__", "create", "open", "stage"}
    with pytest.raises(AttributeError, match="no attribute 'shut'"):
        vlcorpus.shut  # noqa: B018


def test_stages_are_checked_as_on_the_command_line() -> None:
    assert vlcorpus.stage("filter", min_sim=0.28).decision_name() == "similarity-0.28"  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="unknown key 'min_smi'"):
        vlcorpus.stage("filter", min_smi=0.28)
    with pytest.raises(UsageError, match="no stage 'fliter'"):
        vlcorpus.stage("fliter")
    with pytest.raises(CorpusError, match="no corpus at"):
        vlcorpus.open("nowhere")


def test_a_walk_in_python(tmp_path: Path) -> None:
    write_trusted(tmp_path / "pictures", 20, seed=3)
    own = vlcorpus.create(tmp_path / "c", shard_rows=8)
    own.do(vlcorpus.stage("import", source=str(tmp_path / "pictures"), image_size=32))
    own.do(vlcorpus.stage("filter", random_fraction=0.5, decision="half"), vlcorpus.stage("split", train=0.5, test=0.5))
    everything = [pair.uid for pair in own.samples()]
    half = [pair.uid for pair in vlcorpus.open(tmp_path / "c").samples(decision="half")]
    assert len(everything) == 20 and 0 < len(half) < 20
    assert half == [uid for uid in everything if uid in set(half)]
    parts = [{pair.uid for pair in own.samples(split="default", part=part)} for part in ("train", "test")]
    assert parts[0] | parts[1] == set(everything) and not parts[0] & parts[1]
    assert all(pair.body[:2] == b"\xff\xd8" and pair.caption for pair in own.samples())


def test_importing_vlcorpus_loads_nothing_heavy() -> None:
    code = "import sys, vlcorpus; print(sorted({'torch', 'numpy', 'pyarrow', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
