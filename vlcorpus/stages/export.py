"""export: the pairs a decision keeps, as shards that others read: WebDataset's tars, files, or parquet.

    vlcorpus export CORPUS OUT --decision similarity-0.28

OUT/<split>/00000.tar holds key.jpg, key.txt and key.json; 00000.parquet the same rows as a table; sizes.json the
counts that open_clip asks for; README.md and croissant.json in OUT describe it. Every kept pair is a sample of its
own, also where several captions share an image. One keeper stands for a duplicate group.

`--output-format files` writes the members as files in a folder 00000, `parquet` the images into the table
(export_formats.py). The additional columns of a pair's list stand in its key.json and, as text, in the table.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus, Layer
from ..errors import UsageError
from ..io.commit import TEMPORARY, claimed, write_json
from ..spec import setting, values_of
from . import export_formats as formats
from .base import ALL, Stage, Tell, UnitCommit, Work

if TYPE_CHECKING:
    from .samples import Pair

SIMILARITY = "scores/similarity"  # written beside each pair, where it was scored


@dataclass(frozen=True, kw_only=True)
class Export(Stage):
    """Write kept pairs into WebDataset shards, files or parquet tables, with a card."""

    name = "export"
    makes = "out:"

    out: str = setting(help="Folder to write to.", positional=True, result=False, path=True)
    decision: str | None = setting(None, help="Decision whose kept pairs are written; all pairs if not given.")
    duplicates: str | None = setting(None, help="Grouping of which one pair each is written; none: all of them.")
    split: str | None = setting(None, help="Split that makes the subfolders; none: one folder `all`.")
    shard_rows: int = setting(10_000, help="Samples of an exported shard.", least=1, most=1_000_000)
    output_format: str = setting(
        formats.WEBDATASET,
        help="Tars (webdataset), a folder of files a shard (files), or images inside the tables (parquet).",
        choices=formats.FORMATS,
    )

    def made(self) -> str:
        return f"out:{Path(self.out)}"

    def wanted(self) -> tuple[str, ...]:
        names = ["shards"]
        for below, name in (("decisions", self.decision), ("duplicates", self.duplicates), ("splits", self.split)):
            if name is not None:
                names.append(f"{below}/{name}")
        return tuple(names)

    def uses(self) -> tuple[str, ...]:
        return (SIMILARITY,)

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        scored = corpus.layer(SIMILARITY)
        return super().inputs(corpus, unit) | ({SIMILARITY: scored.digest_all()} if scored.units() else {})

    def check(self, corpus: Corpus) -> None:
        out = Path(self.out)
        if "://" in self.out:
            raise UsageError(f"{self.out} is a URL; exports are written to folders", "name a folder")
        if out.resolve() == corpus.path.resolve():
            raise UsageError(f"{out} is the corpus itself", "name a new folder")
        layer = self.layer(corpus)
        ours = layer.stats(ALL) is not None or claimed(out, layer.marker(ALL))
        if out.is_dir() and any(out.iterdir()) and not ours:
            raise UsageError(f"{out} is not empty and is no export", "name a new folder")

    def open(self, corpus: Corpus) -> Work:
        def export(unit: str, tell: Tell) -> None:
            from .samples import Choice, Chosen

            inputs, layer = self.inputs(corpus, unit), self.layer(corpus)
            choice = Choice(decision=self.decision, duplicates=self.duplicates, split=self.split)
            reasons: Counter[str] = Counter()
            taken: dict[str, list[tuple[str, str]]] = {}
            verdicts = Chosen(corpus, choice)
            for shard in corpus.layer("shards").units():
                for row, reason, split in verdicts.rows(shard):
                    if reason is None:
                        taken.setdefault(split, []).append((shard, row["uid"]))
                    else:
                        reasons[reason] += 1
            written = 0
            sizes: dict[str, dict[str, int]] = {}
            with UnitCommit(self, corpus, layer, unit, inputs, claim=True) as commit:
                for split in _splits(layer.folder):
                    _forget(Layer(split, layer.folder / split), but=taken.get(split, ()), rows=self.shard_rows)
                endings = _endings(corpus, taken) if self.output_format == formats.PARQUET else ()
                for split, wanted in sorted(taken.items()):
                    sizes[split] = self._write_split(corpus, layer, split, wanted, inputs, endings, tell, written)
                    written += len(wanted)
                _describe(commit, corpus, layer, sizes, self.output_format)
                commit.finish(seen=written + reasons.total(), kept=written, rejected=reasons, splits=sizes)

        return export

    def _write_split(
        self,
        corpus: Corpus,
        layer: Layer,
        split: str,
        wanted: Sequence[tuple[str, str]],
        inputs: dict[str, str],
        endings: Sequence[str],
        tell: Tell,
        before: int,
    ) -> dict[str, int]:
        folder = Layer(f"{layer.name}/{split}", layer.folder / split)
        pairs = _pairs(corpus, wanted)
        similarity = _similarity(corpus)
        sizes: dict[str, int] = {}
        for number, start in enumerate(range(0, len(wanted), self.shard_rows)):
            shard = f"{number:0{corpus.digits}d}"
            count = min(self.shard_rows, len(wanted) - start)
            with UnitCommit(self, corpus, folder, shard, inputs | {"split": split, "shard": shard}) as commit:
                samples = self._samples(islice(pairs, count), shard, similarity, tell, before + start)
                found = formats.write(commit, shard, samples, format=self.output_format, endings=endings)
                commit.finish(seen=count, kept=count, endings=found)
            sizes[formats.holder(shard, self.output_format)] = count
        write_json(folder.path("sizes.json"), sizes)
        return sizes

    def _samples(
        self, pairs: Iterator[Pair], shard: str, similarity: Callable[[Pair], float | None], tell: Tell, before: int
    ) -> Iterator[formats.Sample]:
        """Pairs as the samples of a shard."""
        digits = len(str(self.shard_rows - 1))
        for place, pair in enumerate(pairs):
            about = _about(pair, f"{shard}{place:0{digits}d}", similarity(pair))
            yield formats.Sample(about, pair.extension, _members(pair, about))
            tell(before + place + 1, before + place + 1)


def _splits(out: Path) -> list[str]:
    """The subfolders in which an export has committed shards."""
    found = []
    for folder in sorted(each for each in out.iterdir() if each.is_dir()) if out.is_dir() else ():
        layer = Layer(folder.name, folder)
        if any((layer.stats(unit) or {}).get("stage") == Export.name for unit in layer.units()[:1]):
            found.append(folder.name)
    return found


def _forget(folder: Layer, *, but: Sequence[Any], rows: int) -> None:
    """Remove the shards of an earlier, larger export that this one, with `but` samples, does not write over."""
    if not but:
        folder.path("sizes.json").unlink(missing_ok=True)
    shards = {path.stem for path in folder.folder.glob("[0-9]*") if path.stem.isdigit()}
    for shard in sorted(each for each in shards if int(each) * rows >= len(but)):
        formats.clear(folder.folder, shard)
        for name in (f"{shard}.parquet", folder.marker(shard)):
            folder.path(name).unlink(missing_ok=True)
    for path in folder.folder.glob(TEMPORARY + "*"):  # of a shard that a killed export was at
        path.unlink()
    if not but:
        with contextlib.suppress(OSError):  # somebody else's files are in it
            folder.folder.rmdir()


def _pairs(corpus: Corpus, wanted: Sequence[tuple[str, str]]) -> Iterator[Pair]:
    """The wanted pairs with their images, shard by shard, in order."""
    from .samples import stored

    uids: dict[str, set[str]] = {}
    for shard, uid in wanted:
        uids.setdefault(shard, set()).add(uid)
    for shard, chosen in uids.items():
        yield from (pair for pair in stored(corpus, shard) if pair.row["uid"] in chosen)


def _endings(corpus: Corpus, taken: Mapping[str, Sequence[tuple[str, str]]]) -> tuple[str, ...]:
    """The endings of all images that are taken, from the heads of the tars alone."""
    from ..io import tar
    from .samples import IMAGES, with_image

    uids: dict[str, set[str]] = {}
    for shard, uid in chain.from_iterable(taken.values()):
        uids.setdefault(shard, set()).add(uid)
    found: set[str] = set()
    for shard, chosen in uids.items():
        rows = with_image(corpus, shard, ("uid", "image_key"))
        keys = {row["image_key"] for row in rows if row["uid"] in chosen}
        entries = tar.scan(corpus.layer("shards").path(f"{shard}.tar"))
        found |= {each.extension for each in entries if each.extension in IMAGES and each.key in keys}
    return tuple(sorted(found))


def _similarity(corpus: Corpus) -> Callable[[Pair], float | None]:
    """The similarity of a pair, where it was scored."""
    from ..io import table

    layer = corpus.layer(SIMILARITY)
    known: dict[str, dict[bytes, float | None]] = {}

    def similarity(pair: Pair) -> float | None:
        if pair.shard not in known:
            known.clear()
            known[pair.shard] = {}
            if layer.stats(pair.shard) is not None:
                found = table.read(layer.path(f"{pair.shard}.parquet"), "score-similarity")
                columns = (found.column("uid").to_pylist(), found.column("similarity").to_pylist())
                known[pair.shard] = dict(zip(*columns, strict=True))
        return known[pair.shard].get(pair.uid)

    return similarity


def _about(pair: Pair, key: str, similarity: float | None) -> dict[str, Any]:
    row = pair.row
    return {
        "key": key,
        "caption": pair.caption,
        "url": row["url"],
        "uid": row["uid"],
        "width": row["width"],
        "height": row["height"],
        "similarity": similarity,
        "sha256": row["sha256"],
        "additional": row["additional"],
    }


def _members(pair: Pair, about: dict[str, Any]) -> dict[str, bytes]:
    told = json.loads(about["additional"]) if about["additional"] is not None else {}
    told |= {name: value for name, value in about.items() if value is not None and name != "additional"}
    text = json.dumps(told, ensure_ascii=True)
    return {
        pair.extension: pair.body,
        "txt": pair.caption.encode("utf-8", "surrogatepass"),
        "json": text.encode(),
    }


def _describe(commit: UnitCommit, corpus: Corpus, layer: Layer, sizes: dict[str, dict[str, int]], format: str) -> None:
    from ..report import card

    shards = []
    endings: set[str] = set()
    for split, counts in sorted(sizes.items()):
        folder = Layer(split, layer.folder / split)
        for name in sorted(counts):
            stats = folder.stats(name.partition(".")[0])
            assert stats is not None
            outputs = stats["outputs"]
            own = [about["bytes"] for each, about in outputs.items() if each == name or each.startswith(f"{name}/")]
            shards.append(card.Shard(split, name, counts[name], sum(own), outputs.get(name, {}).get("sha256")))
            endings.update(stats["endings"])
    about = card.Card(
        name=corpus.name,
        settings={name: str(value) for name, value in values_of(commit.stage, result_only=True).items()},
        shards=shards,
        endings=tuple(sorted(endings)),
        format=format,
    )
    commit.write("README.md", card.readme(about).encode())
    commit.write("croissant.json", card.croissant(about).encode())
