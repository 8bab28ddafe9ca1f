from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.stages.given import Here, given_corpus, write_probe
from vlcorpus.cli.progress import Progress
from vlcorpus.pipeline.plan import make_plan
from vlcorpus.pipeline.run import Event, run
from vlcorpus.stages.embed import Embed


def test_the_end_of_embed_says_who_waited(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = given_corpus(tmp_path / "c", 5, 4)
    plan = make_plan(corpus, [Embed(model=write_probe(tmp_path / "p"))])
    progress = Progress(plan, quiet=False)
    for event in run(plan, Here()):
        progress.show(event)
    line = capsys.readouterr().err.splitlines()[-1]
    shape = (
        r"embed: 9 of 9 kept; [\d,]+ images/s, (loader|device)-bound \(device waited [\d.]+ s, loader waited [\d.]+ s\)"
    )
    assert re.fullmatch(shape, line), line


@pytest.mark.parametrize(("device", "loader", "bound"), [(900, 40, "loader"), (3, 40, "device")])
def test_who_is_waited_for_is_the_bound(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], device: int, loader: int, bound: str
) -> None:
    plan = make_plan(given_corpus(tmp_path / "c", 5), [Embed(model=write_probe(tmp_path / "p"))])
    progress = Progress(plan, quiet=False)
    waits = {"device": device, "loader": loader, "images": 5}
    for kind, about in (
        ("started", {}),
        ("progress", {"waits": waits}),
        ("committed", {"waits": waits}),
        ("whole", {}),
    ):
        progress.show(Event(kind, "embed", "embeddings", "00000", seen=5, kept=5, about=about))
    told = capsys.readouterr().err
    assert f"{bound}-bound (device waited {device / 1000:.1f} s" in told


def _told(
    plan_of: Path, capsys: pytest.CaptureFixture[str], nodes: list[str]
) -> tuple[list[str], list[dict[str, object]]]:
    plan = make_plan(given_corpus(plan_of / "c", 5), [Embed(model=write_probe(plan_of / "p"))])
    progress = Progress(plan, quiet=False)
    progress.show(Event("planned", "embed", "embeddings", todo=len(nodes)))
    for number, node in enumerate(nodes):
        progress.show(Event("started", "embed", "embeddings", f"{number:05d}"))
        progress.show(Event("lost", "embed", "embeddings", f"{number:05d}", message="its worker died", node=node))
        progress.show(Event("committed", "embed", "embeddings", f"{number:05d}", seen=1500, kept=10, node=node))
    progress.end()
    return capsys.readouterr().err.splitlines(), progress.summary()


def test_several_machines_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines, summary = _told(tmp_path, capsys, ["left", "right", "left"])
    assert lines[-4].split() == ["node", "units", "rows", "rows/s", "lost"]
    assert [line.split()[:3] for line in lines[-3:-1]] == [["left", "2", "3,000"], ["right", "1", "1,500"]]
    (stage,) = summary
    nodes = stage["nodes"]
    assert isinstance(nodes, list)
    assert [(each["node"], each["units"], each["rows"], each["lost"]) for each in nodes] == [
        ("left", 2, 3000, 2),
        ("right", 1, 1500, 1),
    ]


@pytest.mark.parametrize("nodes", [["", ""], ["one", "one"]])
def test_one_machine_is_no_table(tmp_path: Path, capsys: pytest.CaptureFixture[str], nodes: list[str]) -> None:
    lines, summary = _told(tmp_path, capsys, nodes)
    assert not any(line.startswith("node") for line in lines) and "nodes" not in summary[0]
