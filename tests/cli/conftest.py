"""The reading commands, called in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from tests.corpora import Built, copy, small
from vlcorpus.cli import reading
from vlcorpus.corpus import Corpus

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The reading commands alone: exit code, stdout, stderr."""
    app = typer.Typer()
    reading.register(app)

    def call(*words: object) -> tuple[int, str, str]:
        code = app([str(word) for word in words], standalone_mode=False)
        said = capsys.readouterr()
        return (code if isinstance(code, int) else 0), said.out, said.err

    return call


@pytest.fixture
def corpus() -> Corpus:
    return small().corpus


@pytest.fixture
def own(tmp_path: Path) -> Built:
    return copy(small(), tmp_path)
