"""index: what `search` and `serve` ask, and what faiss, autofaiss and clip-retrieval users can open.

    vlcorpus index CORPUS                                            chosen by rows, memory and latency
    vlcorpus index CORPUS --memory 200MB --latency 5 --recall 0.99
    vlcorpus index CORPUS --kind hnsw                                quickest to search, dearest to build
    vlcorpus index CORPUS --adopt image.index --adopt-text text.index        one that autofaiss built
    vlcorpus index CORPUS --compat clip-retrieval --out FOLDER       for clip-retrieval's back

A kind is chosen from counts alone, so that the same corpus gives the same index on every machine: every stored row is
read where that is quick enough (`exact`: there is then no file), else codes of one bit a number with the stored rows
for the last word (`rabitq`), in lists where even these are too many (`ivf`). Its parameters are the least with which
text queries find the recall that is asked for; index.json has it for text and image queries, with its interval.

When the corpus has grown, the new shards are added and old ones are not read; a shard that was made anew leaves dead
ids behind, and more than a fifth of these, other settings or --rebuild build all of it again. What is taken down needs
no index to be made again.
Cost, 512 numbers on one core: rabitq 6 us and 72 bytes a row, ivf 40 us, hnsw 180 us and 2.3 KiB; and the measuring,
2 s a million rows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpus import Corpus, Layer
from ..errors import UsageError
from ..io.commit import claimed
from ..spec import setting
from . import index_about, models
from .base import ALL, Stage, Tell, UnitCommit, Work
from .takedowns import TAKEN_DOWN, refuse_stale
from .takedowns import inputs as takedown_inputs
from .takedowns import layers as takedown_layers

AUTO = "auto"
COMPAT = "clip-retrieval"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Index(Stage):
    """Build the index that search asks, or one for clip-retrieval."""

    name = "index"
    makes = "index"
    needs = ("embeddings",)
    libraries = ("faiss-cpu",)

    model: str | None = setting(None, help="Whose embeddings; the only ones if not given.", result=False, path=True)
    kind: str = setting(
        AUTO,
        help="exact reads every stored row, rabitq one bit a number, ivf lists of these, hnsw a graph; auto chooses.",
        choices=(AUTO, "exact", "rabitq", "ivf", "hnsw"),
    )
    memory: str = setting("4GB", help="Memory that searching may hold, as 200MB or 4GB.")
    latency: float = setting(10.0, help="Processor time that a query may take.", unit="ms", least=0.01, most=60_000)
    recall: float = setting(
        0.99, help="Share of the 10 exact neighbours that text queries shall find.", least=0.1, most=1
    )
    cores: int = setting(1, help="Cores that a query may use.", least=1, most=1024)
    seed: int = setting(0, help="Seed of training and of the queries that recall is measured with.", least=0)
    rebuild: bool = setting(False, help="Build all of it again, also where adding would do.", result=False)
    adopt: str | None = setting(
        None,
        help="Take over this image index (faiss, autofaiss; or a folder with an on-disk one).",
        result=False,
        path=True,
    )
    adopt_text: str | None = setting(
        None, help="Take over this text index; it is built if not given.", result=False, path=True
    )
    compat: str | None = setting(
        None, help="Write a folder for this tool instead, to --out.", choices=(COMPAT,), result=False
    )
    out: str | None = setting(None, help="Folder of --compat.", result=False, path=True)

    def made(self) -> str:
        return f"out:{Path(self.out)}" if self.compat and self.out else "index"

    def layer(self, corpus: Corpus) -> Layer:
        if self.compat:
            return corpus.layer(self.made())
        return corpus.layer(f"index/{models.embedded(corpus, self.model).folder.name}")

    def heeds(self, corpus: Corpus) -> tuple[str, ...]:
        return tuple(layer.name for layer in takedown_layers(corpus)) if self.compat else ()

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        source = models.embedded(corpus, self.model)
        found = {source.name: source.digest_all()}
        return found | {"compat": self.compat} | takedown_inputs(corpus) if self.compat else found

    def again(self, corpus: Corpus, unit: str) -> bool:
        if self.compat:
            return False
        if self.rebuild:
            return True
        from .index_adopt import is_adopted

        return bool(self.adopted) and not is_adopted(self.layer(corpus), self.adopted)

    @property
    def adopted(self) -> dict[str, Path]:
        """Files to take over, by side."""
        given = {"image": self.adopt, "text": self.adopt_text}
        return {side: Path(path) for side, path in given.items() if path is not None}

    @property
    def memory_bytes(self) -> int:
        return bytes_of(self.memory)

    def check(self, corpus: Corpus) -> None:
        if self.memory_bytes < 1:
            raise UsageError(f"no memory at all (index: memory {self.memory})", "as --memory 200MB")
        if (self.compat is None) != (self.out is None):
            raise UsageError("--compat and --out belong together", "as --compat clip-retrieval --out FOLDER")
        if self.compat is not None:
            self._check_compat(corpus)
        elif self.adopted:
            if self.rebuild or self.kind != AUTO:
                raise UsageError("an index that is taken over has its kind", "leave --rebuild and --kind away")
            missing = next((path for path in self.adopted.values() if not path.exists()), None)
            if missing is not None:
                raise UsageError(f"no index at {missing}", "name the file that faiss or autofaiss wrote")

    def _check_compat(self, corpus: Corpus) -> None:
        assert self.out is not None
        if self.adopted or self.rebuild:
            raise UsageError("--compat writes a folder of its own", "leave --adopt and --rebuild away")
        if self.kind not in {AUTO, "exact", "hnsw"}:
            raise UsageError(f"clip-retrieval does not open {self.kind}", "say --kind exact or --kind hnsw")
        out = Path(self.out)
        if "://" in self.out:
            raise UsageError(f"{self.out} is a URL; the folder is a local one", "name a folder")
        layer = corpus.layer(self.made())
        ours = layer.stats(ALL) is not None or claimed(out, layer.marker(ALL))
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out} is a file", "name a new folder")
        if out.is_dir() and any(out.iterdir()) and not ours:
            raise UsageError(f"{out} is not empty and was not written by `vlcorpus index`", "name a new folder")
        if ours and (layer.stats(ALL) or {"stage": self.name})["stage"] != self.name:
            raise UsageError(f"{out} is an export", "name a new folder")

    def told(self, corpus: Corpus) -> tuple[str, ...]:
        layer = self.layer(corpus)
        if layer.stats(ALL) is None:
            return ()
        if self.compat:
            return (f"open it: `cd {self.out} && clip-retrieval back`",)
        about = index_about.read(layer)
        found = about.image.recalls.get("text")
        said = "" if not found else (
            f"; text queries find {found['recall']:.4f} of their {found['k']} nearest images"
            f" ({found['low']:.4f} to {found['high']:.4f})"
        )  # fmt: skip
        return (f"{layer.name}: {about.kind}, {about.why}{said}",)

    def open(self, corpus: Corpus) -> Work:
        def index(unit: str, tell: Tell) -> None:
            if self.compat:
                self._write_compat(corpus, unit, tell)
                return
            from . import index_build

            index_build.run(self, corpus, models.embedded(corpus, self.model), unit, tell)

        return index

    def tidy(self, corpus: Corpus, unit: str) -> None:
        from .index_growing import discard

        if not self.compat:
            discard(self.layer(corpus))

    def _write_compat(self, corpus: Corpus, unit: str, tell: Tell) -> None:
        from . import index_compat

        refuse_stale(corpus)
        source, layer = models.embedded(corpus, self.model), self.layer(corpus)
        inputs = self.inputs(corpus, unit)
        listed = index_compat.parts(corpus, source)
        rows, given = sum(part.rows for part in listed), sum(part.given for part in listed)
        with UnitCommit(self, corpus, layer, unit, inputs, claim=True) as commit:
            index_compat.clear(layer, listed)
            index_compat.write(
                commit, corpus, source, listed, hnsw=self.kind == "hnsw", tell=lambda done: tell(2 * rows, done)
            )
            more: dict[str, Any] = {"model": source.folder.name}
            commit.finish(seen=rows, kept=given, rejected={TAKEN_DOWN: rows - given}, **more)


def bytes_of(text: str) -> int:
    """4GB, 200MB, 512MiB or a plain number as bytes; UsageError otherwise."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise UsageError(f"{text!r} is no size (index: memory)", "as 200MB, 4GB or 512MiB")
    step = 1024 if found[3] else 1000
    return int(float(found[1]) * step ** (" kmgt".index(found[2].lower()) if found[2] else 0))
