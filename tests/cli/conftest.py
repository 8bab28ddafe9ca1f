"""The reading commands, called in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import typer

from vlcorpus.cli import reading

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
