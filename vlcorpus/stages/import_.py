"""import: URL lists, captioned image folders and img2dataset's shards become candidates.

    vlcorpus import CORPUS urls.parquet          a list: parquet, csv, tsv, txt, jsonl; or a folder of lists
    vlcorpus import CORPUS pictures/             images with captions: text files, tables, COCO, Flickr, class folders
    vlcorpus import CORPUS downloaded/           what img2dataset wrote: 00000.tar beside 00000.parquet

Lists are read once, stretch by stretch, by as many workers as there are (import_lists.py); then their rows are brought
into one order and cut into candidate shards (candidates.py). What has images already is written into shards/ at once:
a folder's through the same checks as downloaded ones, img2dataset's as they are, linked where their layout is ours.
Scores that a list brings (similarity, punsafe …) become scores/list.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from .. import spec
from ..corpus import MOST_DIGITS, Corpus, Layer
from ..errors import SourceError, UsageError
from ..io.places import protocol
from ..spec import setting
from . import places
from .base import Stage, Tell, Work
from .content import digest_of, digest_of_all

if TYPE_CHECKING:
    from ..web.lists.parts import Part

LIST, FOLDER, SHARDS = "list", "folder", "shards"


@dataclass(frozen=True, kw_only=True)
class Import(Stage):
    """Bring pairs from URL lists, captioned image folders or img2dataset's shards."""

    name = "import"
    makes = "candidates"
    creates = True
    version = 2

    source: str = setting(
        help="URL list (parquet, csv, tsv, txt, jsonl), folder of lists, captioned images, or img2dataset's output.",
        positional=True,
        result=False,
        path=True,
    )
    format: str | None = setting(
        None,
        help="Format of the list, where its name does not tell.",
        choices=("parquet", "csv", "tsv", "txt", "jsonl"),
    )
    url_column: str | None = setting(None, help="Column with image URLs; found by name where not given.")
    text_column: str | None = setting(None, help="Column with texts; found by name where not given.")
    save_additional_columns: tuple[str, ...] = setting(
        (),
        help="Columns of the list to keep with each pair: they go into its JSON (lists only).",
        result=False,  # an input where it is used, so that an import without it is the one that it was before
    )
    scores_model: str | None = setting(
        None,
        help="Model that made the list's similarities, as ViT-B-32/openai; without, they are of no named model.",
        result=False,  # an input of scores/list alone
    )
    captions: str | None = setting(
        None,
        help="Captions of a folder's images: COCO's JSON, a table, Flickr's token file; found inside where not given.",
        result=False,  # its content is an input
        path=True,
    )
    template: str | None = setting(
        None, help="Text of images in class folders that have no caption, as 'a photo of a {}' (folders only)."
    )
    max_texts_per_image: int | None = setting(
        None, help="Pairs of one image, the first ones.", least=1, panel="Choosing"
    )
    max_images_per_text: int | None = setting(
        None, help="Pairs with the same words, the first ones.", least=1, panel="Choosing"
    )
    against: tuple[str, ...] = setting(
        (), help="Earlier corpora: what is in them is not taken again.", path=True, panel="Choosing"
    )
    image_size: int | None = setting(
        512, help="Longest side of stored images (folders only); none keeps bytes.", unit="px", least=1, most=16_383
    )
    max_bytes: int = setting(20_000_000, help="Largest image file (not for lists).", unit="bytes", least=1)
    take: str = setting(
        "link",
        help="How tars whose layout is ours are taken over (img2dataset's output only); copied where links cannot be.",
        choices=("link", "copy"),
        result=False,
    )
    decode: bool = setting(
        False, help="Decode each image of taken over tars, not only its head and end (img2dataset's output only)."
    )
    shard_rows: int | None = setting(
        None, help="Rows of a shard; fixed when the corpus is created.", least=1, most=1_000_000, result=False
    )
    shard_digits: int | None = setting(
        None,
        help="Digits of shard numbers, 5 if not given (a billion pairs of 10,000 a shard); fixed as the rows are.",
        least=1,
        most=MOST_DIGITS,
        result=False,
    )

    def located(self) -> Import:
        """The same settings, looked up anew: what the source is and holds is remembered for one plan."""
        return replace(self)

    @property
    def path(self) -> Path:
        """The list or folder on this machine."""
        if protocol(self.source) in ("http", "https"):
            return Path(self.source)  # for `check` to refuse
        return places.fetched(self.source, "the source", "a list or a folder")

    @cached_property
    def kind(self) -> str:
        """What the source is: LIST, FOLDER or SHARDS."""
        from ..web.folders import img2dataset as img2dataset_folder

        path = self.path
        if not path.is_dir():
            return LIST
        if img2dataset_folder.shard_files(path):
            return SHARDS
        return LIST if self.lists else FOLDER

    @cached_property
    def lists(self) -> list[tuple[Path, str]]:
        """The lists, with the names that their rows remember."""
        from ..web.lists import rows as lists

        path = self.path
        if not path.is_dir():
            return [(path, path.name)]
        return [(each, each.relative_to(path).as_posix()) for each in lists.list_files(path)]

    def brings(self) -> tuple[str, ...]:
        return ("candidates",) if self.kind == LIST else ("candidates", "shards")

    def wanted(self) -> tuple[str, ...]:
        # What is not there is for `check` to refuse.
        return (f"sources/{self.source_id}",) if self.kind == LIST and self.path.exists() else ()

    def supplier(self, name: str) -> Stage | None:
        from .import_lists import reader

        return reader(self) if self.kind == LIST and name == f"sources/{self.source_id}" else None

    def layer(self, corpus: Corpus) -> Layer:
        return corpus.layer(f"sources/{self.source_id}")

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        from . import candidates

        named = {} if self.scores_model is None else {"scores_model": self.scores_model}
        return self.contents | named | {"candidates": candidates.digest(corpus, self.source_id)}

    def check(self, corpus: Corpus) -> None:
        from ..web.folders import img2dataset as img2dataset_folder
        from ..web.lists import additional
        from ..web.lists import rows as lists

        if protocol(self.source) in ("http", "https"):
            raise UsageError(f"{self.source} is a URL, not a list", f"crawl it: `vlcorpus crawl {corpus.place} URL`")
        path = self.path
        if not path.exists():
            raise SourceError(f"{path} does not exist", "name a URL list or a folder of captioned images")
        kind = self.kind
        self._check_options(kind)
        if kind == FOLDER:
            lists.folder_pairs(path, captions=self._captions(), template=self.template)
        elif kind == SHARDS:
            img2dataset_folder.check(path)
        else:
            wanted = self.save_additional_columns
            additional.check_names(wanted)
            for part, _ in self.lists:
                format, columns = lists.opened(part, self.format, self.url_column, self.text_column, wanted)
                if format == "parquet":
                    additional.check_types(part, columns)

    def _check_options(self, kind: str) -> None:
        """Refuse settings that say nothing of this kind of source."""
        if self.template is not None and "{}" not in self.template:
            raise UsageError(
                f"the template {self.template!r} has no place for the class",
                "write {} where it goes: 'a photo of a {}'",
            )
        for name in ("captions", "template"):
            if kind != FOLDER and getattr(self, name) is not None:
                raise UsageError(
                    f"{self.source} is no folder of images, so --{name} says nothing", f"leave --{name} away"
                )
        if kind != LIST and self.save_additional_columns:
            raise UsageError(
                f"{self.source} is no list, so --save-additional-columns says nothing",
                "leave --save-additional-columns away",
            )

    def open(self, corpus: Corpus) -> Work:
        from . import candidates, import_folder, import_lists, import_scores, import_shards

        def bring(unit: str, tell: Tell) -> None:
            source, kind = self.source_id, self.kind
            if kind == LIST:
                import_lists.read_missing(self, corpus, tell)
            else:
                read = self._folder_parts() if kind == FOLDER else self._shard_parts()
                import_lists.extract(self, corpus, source, read, tell)
            seen, kept, rejected = candidates.cut(
                self,
                corpus,
                source,
                kind=FOLDER if kind == FOLDER else LIST,
                tell=tell,
                max_texts_per_image=self.max_texts_per_image,
                max_images_per_text=self.max_images_per_text,
                against=self.against,
            )
            import_scores.write(self, corpus, source)
            if kind == FOLDER:
                import_folder.store(self, corpus, source, tell)
            elif kind == SHARDS:
                import_shards.take(self, corpus, source, tell)
            with self.commit(corpus, unit) as commit:
                commit.finish(seen=seen, kept=kept, rejected=rejected)

        return bring

    @cached_property
    def source_id(self) -> str:
        """The name of this import under sources/."""
        return f"import-{spec.fingerprint(self, self.contents)[:8]}"

    @cached_property
    def contents(self) -> dict[str, str]:
        """Name and digest of the list or folder, where it lies does not matter; and of what else decides on rows."""
        found = self._contents()
        if self.save_additional_columns:
            found["additional"] = spec.digest(list(self.save_additional_columns))
        for path in self.against:
            found[f"against/{places.name(path)}"] = places.opened(path).layer("candidates").digest_all()
        return found

    def _contents(self) -> dict[str, str]:
        from ..web.folders import folder
        from ..web.folders import img2dataset as img2dataset_folder

        path = self.path
        name = places.name(self.source)
        if not path.is_dir():
            return {name: digest_of(path)}
        kind = self.kind
        if kind == SHARDS:
            tables = [each.table for each in img2dataset_folder.shard_files(path)]
            sizes = spec.digest(
                [(each.tar.name, each.tar.stat().st_size) for each in img2dataset_folder.shard_files(path)]
            )
            return {name: digest_of_all(path, tables), "tars": sizes}
        if kind == LIST:
            listed = [part for part, _ in self.lists]
            with ThreadPoolExecutor() as pool:  # each is read to its end, and remembered
                pool.map(digest_of, listed)
            return {name: digest_of_all(path, listed)}
        captions = self._captions()
        more = {"captions": digest_of(captions)} if captions is not None else {}
        return {name: digest_of_all(path, folder.captioned(path))} | more

    def _captions(self) -> Path | None:
        return None if self.captions is None else places.fetched(self.captions, "--captions", places.A_FILE)

    def _folder_parts(self) -> Iterator[Part]:
        from . import import_folder

        return import_folder.parts(
            self.path, captions=self._captions(), template=self.template, max_bytes=self.max_bytes
        )

    def _shard_parts(self) -> Iterator[Part]:
        from ..web.folders import img2dataset as img2dataset_folder

        return img2dataset_folder.parts(self.path)
