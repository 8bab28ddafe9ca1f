"""Documentation that is not run is not documentation: its commands, options, recipes and links are those that are."""

from __future__ import annotations

import re
import runpy
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from vlcorpus import spec
from vlcorpus.cli.main import app
from vlcorpus.cli.words import parser_error
from vlcorpus.clip import known as frozen_encoders
from vlcorpus.io import copies, mirror
from vlcorpus.pipeline import ranks, recipe
from vlcorpus.stages import registry

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
SOURCES = sorted((REPOSITORY / "vlcorpus").rglob("*.py"))
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def blocks(text: str) -> Iterator[str]:
    """The indented blocks of a page, as code."""
    for found in re.finditer(r"(?:^    .*\n?|^\n)+", text, re.MULTILINE):
        if found[0].strip():
            yield textwrap.dedent(found[0])


def lines_of_shell(text: str) -> Iterator[str]:
    """Commands that stand in blocks, without the words after ` # `."""
    for block in blocks(text):
        for line in block.splitlines():
            for part in line.split(" && "):
                found = re.match(r"(?:\S*/)?(vlcorpus(?: .*)?)$", part.split("  #")[0].strip())
                if found and found[1].split()[1:2] != ["VERB"]:
                    yield found[1]


def named(text: str) -> Iterator[str]:
    """Commands in backticks."""
    yield from re.findall(r"`(vlcorpus [^`\n]+)`", text)


def known_options(command: Any) -> set[str]:
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts) if name.startswith("-")} | {
        "--help"
    }


def check_words(line: str) -> None:
    """The command is there and has these options."""
    words = shlex.split(line)[1:]
    if words and words[0] not in {"COMMAND", "X", "--help", "--version"}:
        assert words[0] in COMMANDS, line
        options = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert options <= known_options(COMMANDS[words[0]]), line


def check_whole(line: str) -> None:
    """The command would be understood as it stands."""
    words = [word for word in shlex.split(line)[1:] if word not in {"[OPTIONS]", "--help"}]
    if words and words[0] in COMMANDS:
        given = [re.sub(r"^\[(.*)\]$|\.\.\.$", r"\1", word) for word in words[1:]]
        try:
            COMMANDS[words[0]].make_context(words[0], given)
        except parser_error() as error:
            raise AssertionError(f"{line}: {error.format_message()}") from error


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_command_in_the_docs_is_understood(path: Path) -> None:
    text = path.read_text("utf-8")
    for line in lines_of_shell(text):
        check_words(line)
        check_whole(line)
    for line in named(text):
        check_words(line)


def test_the_readme_names_every_command() -> None:
    text = (REPOSITORY / "README.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)} == set(COMMANDS)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_command_in_a_hint_is_understood(path: Path) -> None:
    for line in named(re.sub(r"\{[^{}`]*\}", "X", path.read_text("utf-8"))):
        if '"' not in line:
            check_words(line)
            if len(line.split()) > 2:
                check_whole(line)


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text("utf-8")):
        if "://" not in target:
            assert (path.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_recipe_in_the_docs_is_whole(path: Path, tmp_path: Path) -> None:
    found = [block for block in blocks(path.read_text("utf-8")) if re.search(r"^stages:", block, re.MULTILINE)]
    assert found or path.name != "recipes.md"
    for block in found:
        (tmp_path / "own.yaml").write_text(block, "utf-8")
        loaded = recipe.load(tmp_path / "own.yaml", corpus=tmp_path / "birds")
        assert len(loaded.stages) > 1


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_variable_in_the_docs_is_read(path: Path) -> None:
    known = {
        f"VLCORPUS_{name}_{each.name}".upper().replace("-", "_")
        for name in registry.names()
        for each in spec.settings_of(registry.stage(name))
    }
    known |= {frozen_encoders.VARIABLE, ranks.PARTS, mirror.FOLDER, copies.BYTES}
    known |= {each.envvar for command in COMMANDS.values() for each in command.params if isinstance(each.envvar, str)}
    assert set(re.findall(r"\bVLCORPUS_[A-Z_]+[A-Z]\b", path.read_text("utf-8"))) <= known


def test_the_page_of_the_command_line_is_what_the_commands_say() -> None:
    made = runpy.run_path(str(REPOSITORY / "docs" / "generate.py"))["text"]()
    assert (REPOSITORY / "docs" / "cli.md").read_text("utf-8") == made, "run: python docs/generate.py"
    assert re.findall(r"^## vlcorpus (\S+)$", made, re.MULTILINE)[: len(registry.names())] == list(registry.names())
    assert set(re.findall(r"^## vlcorpus (\S+)$", made, re.MULTILINE)) == set(COMMANDS)
    for name, command in COMMANDS.items():
        section = made.partition(f"## vlcorpus {name}\n")[2].partition("\n## ")[0]
        for option in known_options(command) - {"-h", "--help"}:
            assert re.search(rf"[`, ]{option}\b", section), (name, option)
