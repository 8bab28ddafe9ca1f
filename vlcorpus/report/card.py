"""The card of an export: README.md for people and dataset hubs, croissant.json for machines.

    card = Card(name="birds", settings={"decision": "similarity-0.28"}, shards=[Shard("train", "00000.tar", 9120, ...)])
    readme(card), croissant(card)        -> str, str

Croissant is the vocabulary of mlcommons.org/croissant/1.0: FileObject with sha256 for every tar or table, and for each
split a RecordSet of its pairs. Images and texts that are files, in tars or folders, are joined by key; in tables they
are columns.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_SIZES_ABOVE = ((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"))

# fmt: off
_CROISSANT_WORDS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)
# fmt: on

_NAMES = {
    "webdataset": "WebDataset shards",
    "files": "files",
    "parquet": "parquet tables",
    "uids": "a list of uids",
    "urls": "a list of URLs",
}
_MIME = {"parquet": "application/x-parquet", "urls": "application/x-parquet", "uids": "application/octet-stream"}
_TABLES = ("parquet", "urls")
_Nodes = list[dict[str, Any]]

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{word: f"cr:{word}" for word in _CROISSANT_WORDS},
}


@dataclass(frozen=True)
class Shard:
    """One tar, table or folder of an export. bytes: its size; sha256: hex, None of a folder."""

    split: str
    name: str
    samples: int
    bytes: int
    sha256: str | None


@dataclass(frozen=True)
class Card:
    """settings: of the export. endings: of the images' names, without a dot. format: webdataset, files, parquet, uids,
    urls."""

    name: str
    settings: Mapping[str, str]
    shards: Sequence[Shard]
    endings: Sequence[str] = ("jpg",)
    format: str = "webdataset"

    def samples(self, split: str) -> int:
        return sum(shard.samples for shard in self.shards if shard.split == split)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(shard.split for shard in self.shards))


def readme(card: Card) -> str:
    """Markdown with the YAML head that dataset hubs read."""
    total = sum(shard.samples for shard in card.shards)
    size = next((name for most, name in (*_SIZES, *_SIZES_ABOVE) if total < most), "n>1T")
    head = ["---", f"pretty_name: {json.dumps(card.name)}", "task_categories:", "- zero-shot-image-classification"]
    head += ["- image-to-text", "size_categories:", f"- {size}", "configs:", "- config_name: default", "  data_files:"]
    for split in card.splits:
        paths = [f"{split}/{each}" for each in _patterns(card)]
        head += [f"  - split: {split}", f"    path: {paths[0] if len(paths) == 1 else json.dumps(paths)}"]
    lines = [*head, "---", "", f"# {card.name}", "", _layout(card), ""]
    lines += ["| split | samples | shards | bytes |", "|---|---:|---:|---:|"]
    for split in card.splits:
        own = [shard for shard in card.shards if shard.split == split]
        lines.append(f"| {split} | {card.samples(split):,} | {len(own)} | {sum(shard.bytes for shard in own):,} |")
    lines += ["", "Made by `vlcorpus export` with:", ""]
    lines += [f"- {name}: `{value}`" for name, value in sorted(card.settings.items()) if value != "None"]
    lines += ["", "The licence of each image is its owner's; texts and addresses are as found on the web.", ""]
    return "\n".join(lines)


def _patterns(card: Card) -> list[str]:
    """What a split's folder holds that a reader of data sets opens."""
    if card.format == "files":
        return [f"*/*.{ending}" for ending in card.endings] or ["*/*"]
    return ["*.npy" if card.format == "uids" else "*.parquet" if card.format in _TABLES else "*.tar"]


def _layout(card: Card) -> str:
    """One sentence that says what lies where."""
    if card.format == "parquet":
        said = "Image-text pairs as parquet tables, a row a pair; the column "
        if len(card.endings) == 1:
            return f"{said}`{card.endings[0]}` holds the image's file."
        columns = ", ".join(f"`{ending}`" for ending in card.endings)
        return f"{said}named by its format ({columns}) holds the image's file, and the other ones are null."
    if card.format == "uids":
        return (
            "uids of image-text pairs as numpy's files, one a split: two numbers of 64 bits each, sorted, a pair as "
            "often as it is taken (DataComp's subset file)."
        )
    if card.format == "urls":
        return (
            "URLs and texts of image-text pairs as parquet tables, a row a pair, without the images; `img2dataset "
            "--input_format parquet --url_col url --caption_col caption` fetches them."
        )
    images = " or ".join(f"`KEY.{ending}`" for ending in card.endings)
    if card.format == "files":
        return (
            f"Image-text pairs as files, a folder a shard: {images}, `KEY.txt`, `KEY.json`; the table beside a folder, "
            "of its name, has a row a pair."
        )
    return f"Image-text pairs as WebDataset shards: {images}, `KEY.txt`, `KEY.json`."


def croissant(card: Card) -> str:
    """Croissant JSON-LD 1.0."""
    mime = _MIME.get(card.format, "application/x-tar")
    files: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": f"{shard.split}/{shard.name}",
            "name": f"{shard.split}/{shard.name}",
            "contentUrl": f"{shard.split}/{shard.name}",
            "contentSize": f"{shard.bytes} B",
            "encodingFormat": mime,
            "sha256": shard.sha256,
        }
        for shard in card.shards
        if shard.sha256 is not None
    ]
    record_sets: list[dict[str, Any]] = []
    for split in card.splits:
        own = [{"@id": each["@id"]} for each in files if each["@id"].startswith(f"{split}/")]
        if card.format == "uids":
            continue  # Croissant has no words for numpy's files
        sets, records = _in_columns(card, split) if card.format in _TABLES else _in_files(card, split, own)
        files += sets
        record_sets += records
    whole = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": card.name,
        "description": f"{sum(shard.samples for shard in card.shards)} image-text pairs as {_NAMES[card.format]}.",
        "distribution": files,
        "recordSet": record_sets,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _in_files(card: Card, split: str, tars: Sequence[Mapping[str, str]]) -> tuple[_Nodes, _Nodes]:
    """File sets and record sets of a split whose members are files: in tars, or below the split's folder."""
    images, words, texts = f"{split}-images", f"{split}-text-files", f"{split}-texts"
    lead = f"{split}/*/" if card.format == "files" else ""
    sets = [
        _file_set(images, tars, "image/jpeg", [f"{lead}*.{ending}" for ending in card.endings]),
        _file_set(words, tars, "text/plain", [f"{lead}*.txt"]),
    ]
    told = [
        _field(f"{texts}/key", "sc:Text", _key_of(words)),
        _field(f"{texts}/text", "sc:Text", _content_of(words)),
    ]
    fields = [
        _field(f"{split}/key", "sc:Text", _key_of(images)) | {"references": {"field": {"@id": f"{texts}/key"}}},
        _field(f"{split}/image", "sc:ImageObject", _content_of(images)),
        _field(f"{split}/caption", "sc:Text", {"field": {"@id": f"{texts}/text"}}),
    ]
    return sets, [_record_set(texts, told), _record_set(split, fields)]


def _in_columns(card: Card, split: str) -> tuple[_Nodes, _Nodes]:
    """File sets and record sets of a split whose members are columns."""
    rows = f"{split}-tables"
    columns = [("key", "sc:Text"), ("caption", "sc:Text"), *((ending, "sc:ImageObject") for ending in card.endings)]
    if card.format == "urls":
        columns = [("uid", "sc:Text"), ("url", "sc:URL"), ("caption", "sc:Text")]
    fields = [
        _field(f"{split}/{name}", kind, {"fileSet": {"@id": rows}, "extract": {"column": name}})
        for name, kind in columns
    ]
    return [_file_set(rows, (), "application/x-parquet", [f"{split}/*.parquet"])], [_record_set(split, fields)]


def _file_set(name: str, within: Sequence[Mapping[str, str]], mime: str, includes: Sequence[str]) -> dict[str, Any]:
    """within: what holds the files; the export's folder itself if nothing."""
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        **({"containedIn": list(within)} if within else {}),
        "encodingFormat": mime,
        "includes": list(includes),
    }


def _record_set(name: str, fields: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": list(fields)}


def _field(name: str, kind: str, source: Mapping[str, Any]) -> dict[str, Any]:
    return {"@type": "cr:Field", "@id": name, "name": name, "dataType": kind, "source": source}


def _content_of(files: str) -> dict[str, Any]:
    return {"fileSet": {"@id": files}, "extract": {"fileProperty": "content"}}


def _key_of(files: str) -> dict[str, Any]:
    """A sample's members are one by what stands before the first dot of their names."""
    return {
        "fileSet": {"@id": files},
        "extract": {"fileProperty": "filename"},
        "transform": {"regex": "^([^.]+)"},
    }
