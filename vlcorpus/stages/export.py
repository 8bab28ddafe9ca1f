"""export: the pairs a decision keeps, as shards or lists that others read.

    vlcorpus export CORPUS OUT --decision similarity-0.28
    vlcorpus export CORPUS OUT --decision similarity-0.28 --output-format uids      DataComp's subset file, no images
    vlcorpus export CORPUS OUT --decision similarity-0.28 --output-format urls      what img2dataset downloads

OUT/<split>/00000.tar holds key.jpg, key.txt and key.json; 00000.parquet the same rows as a table; sizes.json the
counts that open_clip asks for; README.md and croissant.json in OUT describe it. Every kept pair is a sample of its
own, also where several captions share an image. One keeper stands for a duplicate group. A pair whose weight in the
decision is not 1 is written as often as that says.

`--output-format files` writes the members as files in a folder 00000, `parquet` the images into the table
(export_formats.py); export_lists.py says what `uids` and `urls` hold. The additional columns of a pair's list stand in
its key.json and, as text, in the table.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..corpus import Corpus, Layer
from ..errors import UsageError
from ..io.commit import TEMPORARY, claimed
from ..spec import setting, values_of
from . import export_formats as formats
from . import export_lists, export_samples, takedowns
from .base import ALL, Stage, Tell, UnitCommit, Work
from .export_samples import SIMILARITY

Sizes = dict[str, dict[str, int]]  # split -> file -> samples, rows or entries


@dataclass(frozen=True, kw_only=True)
class Export(Stage):
    """Write kept pairs as WebDataset shards, files, parquet, uids or URLs, with a card."""

    name = "export"
    makes = "out:"

    out: str = setting(help="Folder to write to.", positional=True, result=False, path=True)
    decision: str | None = setting(None, help="Decision whose kept pairs are written; all pairs if not given.")
    duplicates: str | None = setting(None, help="Grouping of which one pair each is written; none: all of them.")
    split: str | None = setting(None, help="Split that makes the subfolders; none: one folder `all`.")
    shard_rows: int = setting(
        10_000, help="Samples of an exported shard, URLs of a list; uids are one list.", least=1, most=1_000_000
    )
    output_format: str = setting(
        formats.WEBDATASET,
        help="Tars (webdataset), a folder of files a shard (files), images inside the tables (parquet); or no images: "
        "DataComp's subset file (uids), a list for img2dataset (urls).",
        choices=formats.FORMATS,
    )
    repeat: bool = setting(
        True,
        help="Write a pair as often as its weight says, a fraction by chance; a list of URLs only tells the weight.",
    )
    seed: int = setting(0, help="Seed of that chance.", least=0)
    uids: str | None = setting(
        None,
        help="Which uid a list of uids has: the corpus's own, or the given one, which is taken if every pair has one.",
        choices=export_lists.UID_KINDS,
    )

    @property
    def _listed(self) -> bool:
        return self.output_format in formats.LISTS

    def made(self) -> str:
        return f"out:{Path(self.out)}"

    def wanted(self) -> tuple[str, ...]:
        names = ["candidates" if self._listed else "shards"]
        for below, name in (("decisions", self.decision), ("duplicates", self.duplicates), ("splits", self.split)):
            if name is not None:
                names.append(f"{below}/{name}")
        return tuple(names)

    def uses(self) -> tuple[str, ...]:
        if self.output_format == formats.UIDS:
            return ()
        return (SIMILARITY, export_lists.LIST, "shards") if self.output_format == formats.URLS else (SIMILARITY,)

    def heeds(self, corpus: Corpus) -> tuple[str, ...]:
        return tuple(layer.name for layer in takedowns.layers(corpus))

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        used = {name: corpus.layer(name) for name in self.uses()}
        found = {name: layer.digest_all() for name, layer in used.items() if layer.units()}
        return super().inputs(corpus, unit) | found | takedowns.inputs(corpus)

    def check(self, corpus: Corpus) -> None:
        out = Path(self.out)
        if "://" in self.out:
            raise UsageError(f"{self.out} is a URL; exports are written to folders", "name a folder")
        if out.resolve() == corpus.path.resolve():
            raise UsageError(f"{out} is the corpus itself", "name a new folder")
        if self.uids is not None and self.output_format != formats.UIDS:
            raise UsageError("--uids is of lists of uids", "add --output-format uids, or leave --uids away")
        layer = self.layer(corpus)
        ours = layer.stats(ALL) is not None or claimed(out, layer.marker(ALL))
        if out.is_dir() and any(out.iterdir()) and not ours:
            raise UsageError(f"{out} is not empty and is no export", "name a new folder")

    def open(self, corpus: Corpus) -> Work:
        def export(unit: str, tell: Tell) -> None:
            inputs, layer = self.inputs(corpus, unit), self.layer(corpus)
            write = self._write_lists if self._listed else self._write_samples
            write(corpus, layer, unit, inputs, tell)

        return export

    def _choice(self) -> Any:
        from .choice import Choice

        return Choice(decision=self.decision, duplicates=self.duplicates, split=self.split)

    def _write_samples(self, corpus: Corpus, layer: Layer, unit: str, inputs: dict[str, str], tell: Tell) -> None:
        taken = export_samples.choose(corpus, self._choice(), repeat=self.repeat, seed=self.seed)
        written = 0
        sizes: Sizes = {}
        with UnitCommit(self, corpus, layer, unit, inputs, claim=True) as commit:
            shards = {split: -(-taken.samples(split) // self.shard_rows) for split in taken.parts}
            _forget_others(layer.folder, shards)
            endings = export_samples.endings_of(corpus, taken) if self.output_format == formats.PARQUET else ()
            for split, parts in sorted(taken.parts.items()):
                sizes[split] = export_samples.write(
                    self, corpus, layer, split, parts, inputs,
                    format=self.output_format, shard_rows=self.shard_rows, endings=endings, tell=tell, before=written,
                )  # fmt: skip
                written += taken.samples(split)
            _describe(commit, corpus, layer, sizes, self.output_format)
            seen = taken.pairs + taken.left.total()
            commit.finish(seen=seen, kept=taken.pairs, rejected=taken.left, samples=written, splits=sizes)

    def _write_lists(self, corpus: Corpus, layer: Layer, unit: str, inputs: dict[str, str], tell: Tell) -> None:
        from .subsets import Chosen

        def chosen() -> Chosen:
            return Chosen(corpus, self._choice(), listed=True)

        lists = export_lists.Lists(
            self, corpus, layer, inputs, self.shard_rows, self.repeat, self.seed, self.uids, tell
        )
        with UnitCommit(self, corpus, layer, unit, inputs, claim=True) as commit:
            if self.output_format == formats.UIDS:
                made = export_lists.write_uids(lists, chosen)
            else:
                made = export_lists.write_urls(lists, chosen())
            _forget_others(layer.folder, {split: len(files) for split, files in made.sizes.items()})
            _describe(commit, corpus, layer, made.sizes, self.output_format, made.about)
            seen = made.kept + made.rejected.total()
            commit.finish(seen=seen, kept=made.kept, rejected=made.rejected, splits=made.sizes, **made.about)


def _forget_others(out: Path, shards: Mapping[str, int]) -> None:
    """Remove what an earlier export wrote and this one, with so many shards of each split, does not write over."""
    for split in _splits(out):
        _forget(Layer(split, out / split), shards=shards.get(split, 0))


def _splits(out: Path) -> list[str]:
    """The subfolders in which an export has committed shards."""
    found = []
    for folder in sorted(each for each in out.iterdir() if each.is_dir()) if out.is_dir() else ():
        layer = Layer(folder.name, folder)
        if any((layer.stats(unit) or {}).get("stage") == Export.name for unit in layer.units()[:1]):
            found.append(folder.name)
    return found


def _forget(folder: Layer, *, shards: int) -> None:
    """Remove the shards of an earlier, larger export that this one, with so many, does not write over."""
    if not shards:
        folder.path("sizes.json").unlink(missing_ok=True)
    found = {path.stem for path in folder.folder.glob("[0-9]*") if path.stem.isdigit()}
    for shard in sorted(each for each in found if int(each) >= shards):
        formats.clear(folder.folder, shard)
        for name in (f"{shard}.parquet", folder.marker(shard)):
            folder.path(name).unlink(missing_ok=True)
    for path in folder.folder.glob(TEMPORARY + "*"):  # of a shard that a killed export was at
        path.unlink()
    if not shards:
        with contextlib.suppress(OSError):  # somebody else's files are in it
            folder.folder.rmdir()


def _describe(
    commit: UnitCommit,
    corpus: Corpus,
    layer: Layer,
    sizes: Sizes,
    format: str,
    told: Mapping[str, Any] | None = None,
) -> None:
    """README.md and croissant.json. told: what the commit says beside its settings."""
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
    settings = {name: str(value) for name, value in values_of(commit.stage, result_only=True).items()}
    if told and "uids" in told:
        settings["uids"] = str(told["uids"])
    about = card.Card(
        name=corpus.name,
        settings=settings,
        shards=shards,
        endings=tuple(sorted(endings)),
        format=format,
    )
    commit.write("README.md", card.readme(about).encode())
    commit.write("croissant.json", card.croissant(about).encode())
