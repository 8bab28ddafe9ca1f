"""The card of an export: README.md for people and dataset hubs, croissant.json for machines.

    card = Card(name="birds", settings={"decision": "similarity-0.28"}, shards=[Shard("train", "00000.tar", 9120, ...)])
    readme(card), croissant(card)        -> str, str

Croissant is the vocabulary of mlcommons.org/croissant/1.0: FileObject with sha256 for every tar, and for each
split a RecordSet of its pairs, in which images and texts are joined by key.
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
    """One tar of an export. bytes: its size; sha256: hex."""

    split: str
    name: str
    samples: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Card:
    """settings: of the export. endings: of the images' names, without a dot."""

    name: str
    settings: Mapping[str, str]
    shards: Sequence[Shard]
    endings: Sequence[str] = ("jpg",)

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
        head += [f"  - split: {split}", f"    path: {split}/*.tar"]
    lines = [*head, "---", "", f"# {card.name}", ""]
    images = " or ".join(f"`KEY.{ending}`" for ending in card.endings)
    lines += [f"Image-text pairs as WebDataset shards: {images}, `KEY.txt`, `KEY.json`.", ""]
    lines += ["| split | samples | shards | bytes |", "|---|---:|---:|---:|"]
    for split in card.splits:
        own = [shard for shard in card.shards if shard.split == split]
        lines.append(f"| {split} | {card.samples(split):,} | {len(own)} | {sum(shard.bytes for shard in own):,} |")
    lines += ["", "Made by `vlcorpus export` with:", ""]
    lines += [f"- {name}: `{value}`" for name, value in sorted(card.settings.items()) if value != "None"]
    lines += ["", "The licence of each image is its owner's; texts and addresses are as found on the web.", ""]
    return "\n".join(lines)


def croissant(card: Card) -> str:
    """Croissant JSON-LD 1.0."""
    files: list[dict[str, Any]] = [
        {
            "@type": "cr:FileObject",
            "@id": f"{shard.split}/{shard.name}",
            "name": f"{shard.split}/{shard.name}",
            "contentUrl": f"{shard.split}/{shard.name}",
            "contentSize": f"{shard.bytes} B",
            "encodingFormat": "application/x-tar",
            "sha256": shard.sha256,
        }
        for shard in card.shards
    ]
    record_sets: list[dict[str, Any]] = []
    for split in card.splits:
        own = [{"@id": each["@id"]} for each in files if each["@id"].startswith(f"{split}/")]
        images, words, texts = f"{split}-images", f"{split}-text-files", f"{split}-texts"
        files += [_file_set(images, own, "image/jpeg", card.endings), _file_set(words, own, "text/plain", ("txt",))]
        told = [
            _field(f"{texts}/key", "sc:Text", _key_of(words)),
            _field(f"{texts}/text", "sc:Text", _content_of(words)),
        ]
        fields = [
            _field(f"{split}/key", "sc:Text", _key_of(images)) | {"references": {"field": {"@id": f"{texts}/key"}}},
            _field(f"{split}/image", "sc:ImageObject", _content_of(images)),
            _field(f"{split}/caption", "sc:Text", {"field": {"@id": f"{texts}/text"}}),
        ]
        record_sets += [_record_set(texts, told), _record_set(split, fields)]
    whole = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": card.name,
        "description": f"{sum(shard.samples for shard in card.shards)} image-text pairs as WebDataset shards.",
        "distribution": files,
        "recordSet": record_sets,
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _file_set(name: str, tars: Sequence[Mapping[str, str]], mime: str, endings: Sequence[str]) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "containedIn": list(tars),
        "encodingFormat": mime,
        "includes": [f"*.{ending}" for ending in endings],
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
