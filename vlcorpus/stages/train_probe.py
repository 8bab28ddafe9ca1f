"""train-probe: a small contrastive model that judges the pairs it was trained on.

    vlcorpus train-probe CORPUS filtered --on OUT/train --recipe demo --seeds 0 1 2 3 4
    vlcorpus train-probe CORPUS filtered --decision similarity-0.28

One unit a seed: probes/<name>/seed-<k>/ holds weights.safetensors, probe.json and metrics.json (the learning curve).
All arms of a comparison see the same number of samples from the same start, however many pairs they have. One thread
a probe; seeds and arms run in parallel workers.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus import Corpus, Layer
from ..errors import CorpusError, SourceError, UsageError
from ..spec import setting
from . import takedowns
from .base import ALL, Stage, Tell, Work
from .export import Export

if TYPE_CHECKING:
    from ..probe.pack import Pack


@dataclass(frozen=True, kw_only=True)
class TrainProbe(Stage):
    """Train a probe on an export, or on what a decision keeps."""

    name = "train-probe"
    makes = "probes"
    libraries = ("torch",)

    probe: str = setting("default", help="Name of the probe.", positional=True)
    on: str | None = setting(
        None,
        help="Folder of exported tars; the corpus itself if not given.",
        result=False,  # the tars are an input
        path=True,
    )
    decision: str | None = setting(None, help="Train on what this decision keeps (without --on).")
    duplicates: str | None = setting(None, help="Take one pair of each group of this grouping (without --on).")
    split: str | None = setting(None, help="Split layer whose `train` is taken (without --on).")
    recipe: str = setting("demo", help="How to train.", choices=("nano", "demo", "micro"))
    seeds: tuple[int, ...] = setting((0,), help="One probe a seed.", least=0, result=False)
    architecture: str | None = setting(None, help="Towers; the recipe's if not given.", panel="Instead of the recipe's")
    steps: int | None = setting(None, help="Steps.", least=1, panel="Instead of the recipe's")
    batch_size: int | None = setting(
        None, help="Pairs of a batch.", least=2, most=65_536, panel="Instead of the recipe's"
    )
    loss: str = setting("clip", help="Contrastive loss.", choices=("clip", "siglip"), panel="Instead of the recipe's")
    precision: str = setting(
        "auto",
        help="Arithmetic; auto is bf16 where the processor computes in it, else fp32.",
        choices=("auto", "fp32", "bf16"),
        panel="Instead of the recipe's",
    )

    def made(self) -> str:
        return f"probes/{self.probe}"

    def wanted(self) -> tuple[str, ...]:
        if self.on is not None:
            return (f"out:{Path(self.on)}",)
        names = ["shards"]
        for below, name in (("decisions", self.decision), ("duplicates", self.duplicates), ("splits", self.split)):
            if name is not None:
                names.append(f"{below}/{name}")
        return tuple(names)

    def units(self, corpus: Corpus) -> Sequence[str]:
        return tuple(f"seed-{seed}" for seed in self.seeds)

    def heeds(self, corpus: Corpus) -> tuple[str, ...]:
        return tuple(layer.name for layer in takedowns.layers(corpus)) if self.on is None else ()

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        if self.on is None:
            return super().inputs(corpus, unit) | takedowns.inputs(corpus) | {"seed": unit}
        layer = corpus.layer(f"out:{self.on}")
        digest = layer.digest_all() if _is_export(layer) else _digest(_tars(layer))
        return {"pairs": digest, "seed": unit}

    def check(self, corpus: Corpus) -> None:
        if self.on is not None and (self.decision or self.duplicates or self.split):
            raise UsageError(
                "an export has been decided on already (train-probe: on)", "leave --decision and the like away"
            )

    def open(self, corpus: Corpus) -> Work:
        from ..clip import saved, towers, words
        from ..probe.train import RECIPES, train

        packed: list[tuple[Pack, Counter[str]]] = []

        def probe(unit: str, tell: Tell) -> None:
            recipe = RECIPES[self.recipe]
            seed = int(unit.removeprefix("seed-"))
            settings = replace(
                recipe.settings(seed),
                steps=self.steps or recipe.steps,
                batch_size=self.batch_size or recipe.batch_size,
                loss=self.loss,  # type: ignore[arg-type]
                precision=self.precision,  # type: ignore[arg-type]
            )
            model = towers.build(self.architecture or recipe.architecture, seed=seed)
            if not packed:
                packed.append(self._pack(corpus, model, words))
            pack, refused = packed[0]
            curve = train(model, pack, settings, on_step=lambda step: tell(step.samples_seen, step.samples_seen))
            about = {
                "name": self.probe,
                "seed": seed,
                "recipe": f"{recipe.name} v{recipe.version}",
                "steps": settings.steps,
                "batch_size": settings.batch_size,
                "loss": settings.loss,
                "precision": curve.precision,
                "pairs": len(pack),
            }
            metrics = {
                "pairs": len(pack),
                "samples_seen": curve.samples_seen,
                "repetitions": curve.repetitions,
                "curve": [vars(step) for step in curve.steps],
            }
            with self.commit(corpus, unit) as commit:
                for name, payload in saved.probe_files(model, about).items():
                    commit.write(f"{unit}/{name}", payload)
                commit.write(f"{unit}/metrics.json", (json.dumps(metrics, indent=1) + "\n").encode())
                commit.finish(
                    seen=len(pack) + refused.total(),
                    kept=len(pack),
                    rejected=refused,
                    samples_seen=curve.samples_seen,
                    repetitions=curve.repetitions,
                )

        return probe

    def _pack(self, corpus: Corpus, model: Any, words: Any) -> tuple[Pack, Counter[str]]:
        """The pairs to train on, and those that cannot be used, by reason."""
        from ..clip import preprocess, saved
        from ..probe.pack import gather

        how = saved.probe_preprocessing(model.image_size)
        refused: Counter[str] = Counter()
        pack = gather(
            self._pairs(corpus, refused),
            preprocess=lambda rgb: preprocess.prepare(rgb, how),
            tokenize=lambda texts: words.tokenize(texts, words.CONTEXT, model.vocabulary),
        )
        return pack, refused

    def _pairs(self, corpus: Corpus, refused: Counter[str]) -> Iterator[tuple[str, Any, str]]:
        from ..images.decode import Refused, decode

        for name, body, caption in self._bodies(corpus):
            if caption is None:
                refused["no_caption"] += 1
                continue
            picture = decode(body)
            if isinstance(picture, Refused):
                refused[picture.reason] += 1
            else:
                yield name, picture.rgb, caption

    def _bodies(self, corpus: Corpus) -> Iterator[tuple[str, bytes, str | None]]:
        """(name, image, caption) of each pair; an image that is not there is no bytes."""
        from .samples import IMAGES, Choice, chosen

        if self.on is None:
            choice = Choice(decision=self.decision, duplicates=self.duplicates, split=self.split)
            for pair in chosen(corpus, choice, split="train" if self.split else None):
                yield pair.uid.hex(), pair.body, pair.caption
            return
        from ..io import tar

        for path in _tars(corpus.layer(f"out:{self.on}")):
            for sample in tar.read_samples(path):
                image = next((sample.members[each] for each in IMAGES if each in sample.members), b"")
                caption = sample.members.get("txt")
                yield sample.key, image, None if caption is None else caption.decode("utf-8", "replace")


def _is_export(folder: Layer) -> bool:
    """Whether `vlcorpus export` wrote these tars; CorpusError where it did not come to its end."""
    units = folder.units()
    if not units or (folder.stats(units[0]) or {}).get("stage") != Export.name:
        return False
    if Layer("out:", folder.folder.parent).stats(ALL) is None:
        raise CorpusError(f"the export {folder.folder.parent} is not whole", "run the same `vlcorpus export` again")
    return True


def _tars(layer: Layer) -> list[Path]:
    """The tars of a folder, in order. SourceError where there are none."""
    folder = layer.folder
    found = sorted(folder.glob("[!.]*.tar"))  # a killed export's temporary names begin with a dot
    if not found:
        inside = sorted({path.parent.name for path in folder.glob("*/[!.]*.tar")})
        hint = f"its splits have some: {', '.join(inside)}" if inside else "did the export find any pair to write?"
        if not inside and any(folder.glob("*.parquet")):
            hint = "export it with --output-format webdataset"
        raise SourceError(f"no tars in {folder}", hint)
    return found


def _digest(paths: Sequence[Path]) -> str:
    state = hashlib.blake2b(digest_size=16)
    for path in paths:
        with open(path, "rb") as file:
            state.update(hashlib.file_digest(file, "sha256").digest())
    return state.hexdigest()
