"""Corpora and exports lie in folders or in object stores: whoever reads one does so through `Layer`, never by a path of
its own making. What is allowed all the same stands below, with its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import vlcorpus

ROOT = Path(vlcorpus.__file__).parent
LOOKED_AT = ("stages", "views", "serve", "cli", "report", "audit", "pipeline")
LOOKS = {"glob", "rglob", "iterdir", "is_dir", "is_file", "exists", "stat", "mkdir", "rmdir", "walk", "joinpath"}
CALLS = {"scandir", "listdir", "walk", "exists", "isdir", "isfile", "Path", "join"}

# place: (how many, why)
ALLOWED = {
    "stages/packs.py": (9, "packs are a cache of this machine, and `folder` is theirs"),
    "stages/train_probe.py": (2, "packs are a cache of this machine"),
    "stages/candidates.py": (2, "work files of a cut, gone when it ends"),
    "stages/places.py": (3, "what is in no listing: hidden and empty, on this machine only"),
    "stages/export_formats.py": (1, "a commit's folder is where its files are made; its outputs name them"),
    "cli/demo.py": (1, "the folder that the demo is asked to fill"),
}


def findings(source: str) -> Iterator[tuple[int, str]]:
    """(line, code) of each place that makes a path of a layer's folder or of the corpus's, or looks into one."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and is_place(node.left):
            yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.Call):
            does = node.func
            looks = isinstance(does, ast.Attribute) and does.attr in LOOKS and is_place(does.value)
            if looks or (_named(does) in CALLS and any(is_place(each) for each in node.args)):
                yield node.lineno, ast.unparse(node)


def is_place(node: ast.expr) -> bool:
    """`x.folder`, `corpus.path` (and `x.corpus.path`), `self._corpus.path`."""
    if not isinstance(node, ast.Attribute):
        return False
    if node.attr == "folder":  # `making` is another matter: what is made lies on this machine, and nowhere else yet
        return True
    return node.attr == "path" and (_named(node.value) or "").lstrip("_").endswith("corpus")


def _named(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else None


def modules() -> list[str]:
    return [path.relative_to(ROOT).as_posix() for below in LOOKED_AT for path in sorted((ROOT / below).rglob("*.py"))]


@pytest.mark.parametrize("module", modules())
def test_nobody_reads_a_corpus_by_a_path_of_its_own(module: str) -> None:
    found = list(findings((ROOT / module).read_text("utf-8")))
    most, why = ALLOWED.get(module, (0, "layer.path, layer.names, layer.below, corpus.file are the way"))
    assert len(found) <= most, f"{why}; here: " + "; ".join(f"line {line}: {code}" for line, code in found)


def test_what_is_allowed_is_needed() -> None:
    for module, (most, _) in ALLOWED.items():
        assert len(list(findings((ROOT / module).read_text("utf-8")))) == most, f"{module}: allow fewer"


@pytest.mark.parametrize(
    "code",
    [
        "layer.folder / 'a.parquet'",
        "corpus.path / 'shards'",
        "self._corpus.path / name",
        "part.corpus.path / name",
        "layer.folder.glob('*')",
        "corpus.path.is_dir()",
        "os.scandir(layer.folder)",
        "os.path.exists(corpus.path)",
        "any(each for each in self.layer(corpus).folder.iterdir())",
    ],
)
def test_the_guard_sees(code: str) -> None:
    assert len(list(findings(code))) == 1


@pytest.mark.parametrize("code", ["layer.folder.name", "layer.path('a')", "corpus.place", "layer.making / 'a'"])
def test_the_guard_lets_pass(code: str) -> None:
    assert not list(findings(code))
