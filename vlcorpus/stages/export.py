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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..corpus import Corpus, Layer
from ..errors import UsageError
from ..io.places import protocol
from ..spec import setting, values_of
from . import export_formats as formats
from . import export_lists, export_samples, places, takedowns
from .base import ALL, Stage, Tell, UnitCommit, Work
from .export_samples import SIMILARITY
from .sharing import share

Sizes = dict[str, dict[str, int]]  # split -> file -> samples, rows or entries


@dataclass(frozen=True, kw_only=True)
class Export(Stage):
    """Write kept pairs as WebDataset shards, files, parquet, uids or URLs, with a card."""

    name = "export"
    makes = "out:"

    out: str = setting(help="Folder or address in a store to write to.", positional=True, result=False, path=True)
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
        return f"out:{places.normal(self.out)}"

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
        if protocol(self.out) in ("http", "https"):
            raise UsageError(f"{self.out} is a URL of the web", "name a folder, or an address as s3://bucket/out")
        if places.same(self.out, corpus.place):
            raise UsageError(f"{places.normal(self.out)} is the corpus itself", "name a new folder")
        if self.uids is not None and self.output_format != formats.UIDS:
            raise UsageError("--uids is of lists of uids", "add --output-format uids, or leave --uids away")
        layer = self.layer(corpus)
        ours = layer.stats(ALL) is not None or layer.claimed(ALL)
        if not ours and not places.is_empty(layer):
            raise UsageError(f"{places.normal(self.out)} is not empty and is no export", "name a new folder")

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
        resumes = layer.claimed(unit)
        with UnitCommit(self, corpus, layer, unit, inputs, claim=True) as commit:
            shards = {split: -(-taken.samples(split) // self.shard_rows) for split in taken.parts}
            _forget_others(layer, shards)
            endings = export_samples.endings_of(corpus, taken) if self.output_format == formats.PARQUET else ()
            for split, parts in sorted(taken.parts.items()):
                jobs = export_samples.Jobs(
                    split, parts, inputs,
                    digits=corpus.digits, shard_rows=self.shard_rows, endings=endings, resumes=resumes,
                )  # fmt: skip
                sizes[split] = {}
                for number, held in enumerate(share(self, corpus, "write_shard", jobs)):
                    sizes[split][held] = jobs.samples(number)
                    written += jobs.samples(number)
                    tell(written, written)
                formats.write_sizes(layer.below(split), sizes[split])
            _describe(commit, corpus, layer, sizes, self.output_format)
            seen = taken.pairs + taken.left.total()
            commit.finish(seen=seen, kept=taken.pairs, rejected=taken.left, samples=written, splits=sizes)

    def write_shard(self, corpus: Corpus, job: export_samples.Job) -> str:
        """A part of the work: one shard of a split."""
        folder = self.layer(corpus).below(job.split)
        return export_samples.write(self, corpus, folder, job, format=self.output_format, shard_rows=self.shard_rows)

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
            _forget_others(layer, {split: len(files) for split, files in made.sizes.items()})
            _describe(commit, corpus, layer, made.sizes, self.output_format, made.about)
            seen = made.kept + made.rejected.total()
            commit.finish(seen=seen, kept=made.kept, rejected=made.rejected, splits=made.sizes, **made.about)


def _forget_others(out: Layer, shards: Mapping[str, int]) -> None:
    """Remove what an earlier export wrote and this one, with so many shards of each split, does not write over."""
    for split in _splits(out):
        _forget(out.below(split), shards=shards.get(split, 0))


def _splits(out: Layer) -> list[str]:
    """The subfolders in which an export has committed shards."""
    found = []
    for name in places.folders(out):
        layer = out.below(name)
        if any((layer.stats(unit) or {}).get("stage") == Export.name for unit in layer.units()[:1]):
            found.append(name)
    return found


def _forget(folder: Layer, *, shards: int) -> None:
    """Remove the shards of an earlier, larger export that this one, with so many, does not write over."""
    if not shards:
        folder.remove("sizes.json")
    for shard in sorted(each for each in places.stems(folder) if each.isdigit() and int(each) >= shards):
        formats.clear(folder, shard)
        for name in (f"{shard}.parquet", folder.marker(shard)):
            folder.remove(name)
    places.sweep(folder, gone=not shards)  # of a shard that a killed export was at


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
        folder = layer.below(split)
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
