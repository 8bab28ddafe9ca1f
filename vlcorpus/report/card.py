"""The card of an export: README.md for people and dataset hubs, croissant.json for machines.

    card = Card(name="birds", settings={"decision": "similarity-0.28"}, shards=[Shard("train", "00000.tar", 9120, ...)])
    readme(card), croissant(card)        -> str, str

Croissant is the vocabulary of mlcommons.org/croissant/1.0: FileObject with sha256 for every tar, one RecordSet of pairs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_SIZES_ABOVE = ((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"), (1_000_000_000, "100M<n<1B"))

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "recordSet": "cr:recordSet",
    "field": "cr:field",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "source": "cr:source",
    "fileSet": "cr:fileSet",
    "fileObject": "cr:fileObject",
    "extract": "cr:extract",
    "fileProperty": "cr:fileProperty",
    "column": "cr:column",
    "includes": "cr:includes",
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
    name: str
    settings: Mapping[str, str]
    shards: Sequence[Shard]

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
    lines += ["Image-text pairs as WebDataset shards: `KEY.jpg`, `KEY.txt`, `KEY.json`.", ""]
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
    files = [
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
    sets = [
        {
            "@type": "cr:FileSet",
            "@id": kind,
            "name": kind,
            "containedIn": [{"@id": each["@id"]} for each in files],
            "encodingFormat": mime,
            "includes": f"*.{ending}",
        }
        for kind, mime, ending in (("images", "image/jpeg", "jpg"), ("captions", "text/plain", "txt"))
    ]
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"pairs/{name}",
            "name": name,
            "dataType": kind,
            "source": {"fileSet": {"@id": source}, "extract": {"fileProperty": "content"}},
        }
        for name, kind, source in (("image", "sc:ImageObject", "images"), ("caption", "sc:Text", "captions"))
    ]
    whole = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": card.name,
        "description": f"{sum(shard.samples for shard in card.shards)} image-text pairs as WebDataset shards.",
        "distribution": [*files, *sets],
        "recordSet": [{"@type": "cr:RecordSet", "@id": "pairs", "name": "pairs", "field": fields}],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
