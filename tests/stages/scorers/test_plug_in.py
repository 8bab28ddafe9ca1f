"""Which head is meant, and that nothing which is not marked as one is ever called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vlcorpus.errors import UsageError
from vlcorpus.stages.scorers.plug_in import plug_in

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes modules where Python finds them. Names are used once: Python keeps what it has imported."""
    monkeypatch.syspath_prepend(tmp_path)

    def module(name: str, text: str) -> None:
        path = tmp_path / (name.replace(".", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    return module


HEAD = """
__version__ = "1.2"
class Head:
    reads = "pixels"
    def __call__(self, images): return [1.0] * len(images)
class Inner:
    Head = Head
def make(weights, device): raise AssertionError("called")
make.reads = "embeddings"
def unmarked(weights, device): raise AssertionError("called")
wrong = type("Wrong", (), {"reads": "words"})
"""


def test_a_class_or_a_function_of_a_module(write: Write) -> None:
    write("pi_folder.__init__", "")
    write("pi_folder.heads", HEAD)
    found = plug_in("pi_folder.heads:Head")
    assert (found.name, found.reads, found.version) == ("pi_folder.heads:Head", "pixels", "1.2")
    assert plug_in("pi_folder.heads:Inner.Head").factory is found.factory
    assert plug_in("pi_folder.heads:make").reads == "embeddings"


def test_the_digest_is_of_the_source_and_the_version(write: Write) -> None:
    write("pi_first", HEAD)
    write("pi_second", HEAD)
    write("pi_third", HEAD + "\n# a word more")
    write("pi_fourth", HEAD.replace('"1.2"', '"1.3"'))
    first, second, third, fourth = (plug_in(f"pi_{name}:Head") for name in ("first", "second", "third", "fourth"))
    assert first.digest == second.digest and first.source_hash == second.source_hash
    assert len({first.digest, third.digest, fourth.digest}) == 3


def test_what_is_not_marked_is_not_called(write: Write) -> None:
    write("pi_unmarked", HEAD)
    for name in ("pi_unmarked:unmarked", "pi_unmarked:wrong", "subprocess:Popen", "os:system", "os:path"):
        with pytest.raises(UsageError, match="is not a factory that says what its heads read") as wrong:
            plug_in(name)
        assert "reads = " in wrong.value.hint


@pytest.mark.parametrize("name", ["", ":", "a:", ":b", "a b:c", "a/b:c", "../a:c", "a:b()", "a:b:c", "a..b:c"])
def test_what_names_nothing_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"names no head|no installed head is called"):
        plug_in(name)


def test_the_nearest_name_is_said(write: Write) -> None:
    write("pi_near", HEAD)
    with pytest.raises(UsageError, match="no Haed there") as wrong:
        plug_in("pi_near:Haed")
    assert "did you mean 'Head'?" in wrong.value.hint


def test_a_module_that_is_not_there_or_broken_is_said(write: Write) -> None:
    with pytest.raises(UsageError, match="pi_gone cannot be imported: ModuleNotFoundError") as wrong:
        plug_in("pi_gone:Head")
    assert "PYTHONPATH=." in wrong.value.hint
    for name, text, says in (
        ("pi_syntax", "def", "SyntaxError"),
        ("pi_raises", "raise RuntimeError('no\\x1b[31m')", r"RuntimeError: no\\u001b\[31m"),
        ("pi_wants", "import pi_not_installed", "ModuleNotFoundError: No module named 'pi_not_installed'"),
    ):
        write(name, text)
        with pytest.raises(UsageError, match=f"{name} cannot be imported: {says}"):
            plug_in(f"{name}:Head")


def install(folder: Path, package: str, version: str, lines: str) -> None:
    """What an installer leaves of a package that names heads."""
    (folder / f"{package}-{version}.dist-info").mkdir()
    (folder / f"{package}-{version}.dist-info" / "METADATA").write_text(f"Name: {package}\nVersion: {version}\n")
    (folder / f"{package}-{version}.dist-info" / "entry_points.txt").write_text(f"[vlcorpus.heads]\n{lines}\n")


def test_an_installed_name(write: Write, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no installed head is called 'pi_watermark'"):
        plug_in("pi_watermark")
    write("pi_installed", HEAD)
    install(tmp_path, "pi_heads", "3.1", "pi_watermark = pi_installed:Head\npi_twice = pi_installed:Head")
    found = plug_in("pi_watermark")
    assert (found.name, found.version, found.reads) == ("pi_watermark", "3.1", "pixels")
    assert found.factory is plug_in("pi_installed:Head").factory
    assert found.digest != plug_in("pi_installed:Head").digest, "the package's version counts"
    with pytest.raises(UsageError, match="no installed head is called 'pi_watermrk'") as wrong:
        plug_in("pi_watermrk")
    assert "did you mean 'pi_watermark'?" in wrong.value.hint
    install(tmp_path, "pi_more", "1", "pi_twice = pi_installed:make")
    with pytest.raises(UsageError, match="several installed heads are called 'pi_twice'"):
        plug_in("pi_twice")
