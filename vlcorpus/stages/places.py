"""What a setting or an argument names: a folder of this machine, or an address in an object store.

    opened("birds"), opened("s3://bucket/birds")        the corpus there
    is_corpus("s3://bucket/birds")                      whether one is there
    normal("out/"), normal("s3://bucket/out/")          "out", "s3://bucket/out": as an export's layer is called
    absolute("birds"), absolute("s3://bucket/birds")    "/home/me/birds", "s3://bucket/birds"
    fetched("s3://bucket/photos", "near")               the folder on this machine, with all that is in it
    here("s3://bucket/suite.yaml", "a suite")           UsageError: … must be a folder on this machine

A `Path` of an address would have one slash where it needs two, and another meaning: so texts stay texts until it is
known what they name. Corpora and exports may lie in a store; what only a library can read from a disk may not.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from ..corpus import FILE, Corpus
from ..errors import SourceError, UsageError
from ..io.commit import TEMPORARY
from ..io.places import protocol, shown
from ..layer import Layer, outside

FOLDER, A_FILE = "a folder", "a file"


def is_url(text: str) -> bool:
    return bool(protocol(text))


def opened(text: str | os.PathLike[str]) -> Corpus:
    """The corpus at a path or an address. CorpusError where there is none."""
    return Corpus.open(text if isinstance(text, str) and is_url(text) else Path(text))


def created(text: str, *, shard_rows: int | None = None) -> Corpus:
    """The corpus at a path or an address, made where there is none."""
    return Corpus.create(text if is_url(text) else Path(text), shard_rows=shard_rows)


def is_corpus(text: str) -> bool:
    return outside(text).path(FILE).is_file() if is_url(text) else (Path(text) / FILE).is_file()


def normal(text: str) -> str:
    """One spelling for all that name the same folder without leaving it: no slash at the end."""
    return text.rstrip("/") if is_url(text) else str(Path(text))


def absolute(text: str) -> str:
    return normal(text) if is_url(text) else os.path.abspath(text)


def name(text: str) -> str:
    """The last part, links of a path followed."""
    return normal(text).rpartition("/")[2] if is_url(text) else Path(text).resolve().name


def last(text: str) -> str:
    """The last part as it is typed; nothing of `.`."""
    return normal(text).rpartition("/")[2] if is_url(text) else Path(text).name


def parts(text: str) -> tuple[str, ...]:
    return tuple(normal(text).split("/")) if is_url(text) else Path(os.path.normpath(text)).parts


def parent(text: str) -> str:
    """The folder that a place lies in."""
    return normal(text).rpartition("/")[0] if is_url(text) else str(Path(text).parent)


def below(place: str, under: str) -> str:
    """A folder below a place, as it is typed."""
    return f"{normal(place)}/{under}" if is_url(place) else str(Path(place) / under)


def export(place: str) -> Layer:
    """The layer of an export, or of any folder of tars, at a path or an address."""
    return outside(normal(place))


def folders(layer: Layer) -> tuple[str, ...]:
    """The folders directly below a layer that hold files, sorted."""
    return tuple(sorted({each.partition("/")[0] for each in layer.names("*/*")}))


def is_empty(layer: Layer) -> bool:
    """Whether nothing at all, hidden or not, is in its folder."""
    if is_url(place_of(layer)):
        return not layer.names("**/*")
    return not (layer.folder.is_dir() and any(layer.folder.iterdir()))


def sweep(layer: Layer, *, gone: bool) -> None:
    """Remove what a killed run left where a layer is made on this machine; `gone`: the folder, too, if it is empty."""
    for left in layer.making.glob(f"{TEMPORARY}*"):
        left.unlink()
    if gone:
        with contextlib.suppress(OSError):  # somebody else's files are in it, or it is not there
            layer.making.rmdir()


def stems(layer: Layer) -> set[str]:
    """First parts of the names of all files and folders directly in a layer, empty folders of this machine included."""
    found = {name.partition("/")[0] for pattern in ("*", "*/*") for name in layer.names(pattern)}
    return {name.partition(".")[0] for name in found | {path.name for path in layer.making.glob("[0-9]*")}}


def everything(root: Layer, *, but: Collection[str] = ()) -> Iterator[str]:
    """Names of all files below a folder, hidden ones, too, where it lies on this machine; but: folders directly in it
    that are passed over."""
    if root.remote:
        yield from (name for name in root.names("**/*") if name.partition("/")[0] not in but)
        return
    for folder, names, files in os.walk(root.folder):
        below = Path(folder).relative_to(root.folder)
        names[:] = sorted(name for name in names if below.parts or name not in but)
        yield from ((below / name).as_posix() for name in sorted(files))


def same(one: str, other: str) -> bool:
    """Whether two places are the same folder."""
    if is_url(one) or is_url(other):
        return normal(one) == normal(other)
    return Path(one).resolve() == Path(other).resolve()


def place_of(layer: Layer) -> str:
    """What a person types for a layer outside a corpus."""
    return layer.name.removeprefix("out:")


def fetched(text: str, setting: str, what: str = FOLDER, *, ending: str = "") -> Path:
    """The file or folder of a text on this machine; of a store all that is there, or what ends so, fetched.
    UsageError for an address of the web, SourceError where nothing is."""
    if not is_url(text) or protocol(text) in ("http", "https"):
        return here(text, setting, what)
    above, _, last = normal(text).rpartition("/")
    file = outside(above).path(last)
    if file.is_file():
        return file
    layer = export(text)
    names = [name for name in layer.names("**/*") if name.endswith(ending)]
    if not names:
        raise SourceError(f"there is nothing at {shown(text)}", f"{setting} names {what}")
    layer.paths(names)
    return layer.folder


def here(text: str, setting: str, what: str = FOLDER) -> Path:
    """A path of this machine. UsageError for an address: `setting` takes none."""
    if is_url(text):
        raise UsageError(
            f"{shown(text)} is a URL; {setting} must be {what} on this machine", "fetch it to a folder first"
        )
    return Path(text)
