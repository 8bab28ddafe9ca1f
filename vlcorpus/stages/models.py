"""Which model a stage means.

A reference is what `vlcorpus.clip.model.load` takes (`ViT-B-32/openai`, `hf-hub:…`, `hf:…`, a path), or `probe:NAME`
for a probe of the corpus itself; `image=REF,text=REF` takes a tower of each. What is embedded already may also be named
by its folder. Where no model is named, `embed` takes LAION's and everything else the one that is embedded.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from ..clip.two import towers
from ..corpus import Corpus, Layer
from ..errors import CorpusError, SourceError, UsageError
from . import places

DEFAULT = "ViT-B-32/openai"
PROBE = "probe:"


def reference(corpus: Corpus, model: str | None) -> str:
    """The reference to load, with `probe:NAME` turned into its folder."""
    named = model or DEFAULT
    both = towers(named)
    if len(both) == 2:
        return f"image={reference(corpus, both[0])},text={reference(corpus, both[1])}"
    if not named.startswith(PROBE):
        if named.startswith(("/", ".")) and not Path(named).exists():
            raise SourceError(f"no model at {named}", f"was it moved? `vlcorpus embed {corpus.place} --model WHERE`")
        return str(probe_folder(places.here(named, "a model")) or named)
    name = named.removeprefix(PROBE)
    found = _probe(corpus, name)
    if found is None:
        raise UsageError(
            f"no probe {name!r} in {corpus.place}",
            "there are: " + (", ".join(corpus.layers("probes")) or "none; train one: `vlcorpus train-probe`"),
        )
    return str(fetched(*found))


def probes(model: str | None) -> tuple[str, ...]:
    """The layers of the corpus's own probes that a reference names."""
    named = towers(model) if model is not None else ()
    own = (part.removeprefix(PROBE).split("/")[0] for part in named if part.startswith(PROBE))
    return tuple(dict.fromkeys(f"probes/{name}" for name in own))


def is_probe(corpus: Corpus, model: str) -> bool:
    """Whether `probe:NAME` is there."""
    return _probe(corpus, model.removeprefix(PROBE)) is not None


def _probe(corpus: Corpus, name: str) -> tuple[Layer, str] | None:
    """Layer and folder of probe.json, by `NAME` (its first seed) or `NAME/seed-1`; None where there is none."""
    probe, _, below = name.partition("/")
    layer = corpus.layer(f"probes/{probe}")
    if below or layer.path("probe.json").is_file():
        return (layer, below) if layer.path(f"{below}/probe.json".lstrip("/")).is_file() else None
    seeds = {each.partition("/")[0] for each in layer.names("seed-*/probe.json")}
    return (layer, min(seeds, key=lambda seed: int(seed[5:]))) if seeds else None


def fetched(layer: Layer, folder: str) -> Path:
    """A folder of a layer on this machine, with all its files."""
    layer.paths(layer.names(f"{folder}/*" if folder else "*"))
    return layer.path(folder) if folder else layer.folder


def probe_folder(path: Path) -> Path | None:
    """The folder with probe.json: `path` itself, or its first seed's."""
    if (path / "probe.json").is_file():
        return path
    seeds = sorted(path.glob("seed-*/probe.json"), key=lambda found: int(found.parent.name[5:]))
    return seeds[0].parent if seeds else None


@lru_cache(maxsize=64)
def _slug(named: str, touched: float) -> str:
    from ..clip.model import describe

    return describe(named, download=True).slug


def slug(corpus: Corpus, model: str | None) -> str:
    """The folder name of a model's embeddings: its name with 8 hex of weights and preprocessing."""
    named = reference(corpus, model)
    weights = [path for part in towers(named) for path in Path(part).glob("*.safetensors")]
    return _slug(named, max((path.stat().st_mtime for path in weights), default=0.0))


def embedded(corpus: Corpus, model: str | None) -> Layer:
    """The layer of embeddings that is meant, there or not: the model's, or the only one there is."""
    known = corpus.layers("embeddings")
    if model is not None:
        return corpus.layer(f"embeddings/{model if model in known else slug(corpus, model)}")
    if len(known) == 1:
        return corpus.layer(f"embeddings/{known[0]}")
    if not known:
        raise CorpusError(f"no embeddings in {corpus.place}", f"make them: `vlcorpus embed {corpus.place}`")
    raise UsageError(f"embeddings of several models: {', '.join(known)}", "choose one with --model")


def scored(corpus: Corpus) -> str | None:
    """The folder name of the embeddings that the similarities were computed from; None where there are none yet."""
    layer = corpus.layer("scores/similarity")
    sources = {str((layer.stats(shard) or {})["source"]).partition("/")[2] for shard in layer.units()}
    if len(sources) > 1:
        raise CorpusError(
            f"the similarities are of several models: {', '.join(sorted(sources))}",
            f"score again: `vlcorpus score {corpus.place} similarity --model MODEL`",
        )
    return next(iter(sources), None)


def maker(corpus: Corpus, layer: Layer, model: str | None) -> tuple[str, str]:
    """(reference, precision) of the model that made embeddings: as their stats recorded it, unless `model` names it.

    CorpusError where nobody knows: embeddings that were imported without a name.
    """
    from . import registry

    unit = next(iter(layer.units()), None)
    stats = layer.stats(unit) if unit is not None else None
    made: Any = registry.recorded(corpus, stats) if stats is not None else None
    named = model if model is not None and model != layer.folder.name else getattr(made, "model", None)
    if named is None and getattr(made, "name", None) != "embed":
        raise CorpusError(
            f"the model that made {layer.name} is not known", f"embed with a model: `vlcorpus embed {corpus.place}`"
        )
    return reference(corpus, named), getattr(made, "precision", "fp32")
