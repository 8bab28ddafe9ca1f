"""train-probe: a contrastive model that judges the pairs it was trained on.

    vlcorpus train-probe CORPUS filtered --on OUT/train --seeds 0 --seeds 1 --seeds 2
    vlcorpus train-probe CORPUS filtered --decision similarity-0.28 --recipe micro
    vlcorpus train-probe CORPUS both --on laion/out/train --on own/out/train --mix accumulate --weights 3 --weights 1
    torchrun --nproc-per-node 8 -m vlcorpus train-probe CORPUS big --recipe small --device cuda

One unit a seed: probes/<name>/seed-<k>/ holds weights.safetensors, probe.json, metrics.json (the learning curve),
steps.jsonl, and for ViTs what open_clip opens as `local-dir:`. All arms of a comparison see the same number of samples
from the same start, however many pairs they have. On the CPU one thread a probe; seeds and arms run in parallel
workers. Pairs are packed once for all of them (probe_packing.py). A killed run goes on from its last checkpoint, to the
weights of a run that was never killed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..clip.two import towers
from ..corpus import Corpus
from ..errors import UsageError
from ..probe.recipes import RECIPES, Recipe
from ..spec import setting
from . import models, probe_captions, probe_ranks, takedowns
from .base import Needs, Stage, Tell, Work, calm, on
from .choice import Choice
from .packs import FOLDER, Packs
from .places import normal
from .probe_packing import Maker, Ready, pack
from .probe_run import Unfinished, curve_files, forget, is_log, opened
from .probe_sources import Part, Place, encoder, is_folder, own, places

if TYPE_CHECKING:
    from ..probe.settings import TrainSettings

NONE, MISMATCHED = "none", "mismatched"
_SMALL = ("conv-", "vit-nano")
_RECIPE, _MODEL, _MIXING, _RUN = "Instead of the recipe's", "Model", "Several sources", "How it runs"


@dataclass(frozen=True, kw_only=True)
class TrainProbe(Stage):
    """Train a probe on exports, or on what decisions keep."""

    name = "train-probe"
    version = 2
    makes = "probes"
    libraries = ("torch", "open_clip_torch")

    probe: str = setting("default", help="Name of the probe.", positional=True)
    on: tuple[str, ...] = setting(
        (),
        help="Folder of tars, a corpus, or CORPUS#DECISION; several are mixed. This corpus if not given.",
        result=False,  # what lies there is an input
        path=True,
    )
    decision: str | None = setting(None, help="Train on what this decision keeps (without --on).")
    duplicates: str | None = setting(None, help="Take one pair of each group of this grouping (without --on).")
    split: str | None = setting(None, help="Split layer whose `train` is taken (without --on).")
    captions: tuple[str, ...] = setting(
        (),
        help="Text of a pair: alt_text, a caption layer, json:KEY; several as NAME=SHARE are drawn by their shares.",
    )
    control: str = setting(
        NONE,
        help="mismatched: captions change places, so that the probe must stay at chance.",
        choices=(NONE, MISMATCHED),
    )
    parts: int = setting(
        1,
        help="Each seed trains on one of so many shares of the pairs, dealt anew every PARTS seeds.",
        least=1,
        most=1000,
    )
    recipe: str = setting("demo", help="How to train.", choices=tuple(RECIPES))
    seeds: tuple[int, ...] = setting((0,), help="One probe a seed.", least=0, result=False)

    architecture: str | None = setting(
        None, help="conv-nano, conv-micro, vit-nano, or open_clip's; the recipe's if not given.", panel=_MODEL
    )
    start: str | None = setting(
        None, help="Go on from this model, named as for embed, instead of from nothing.",
        path=True, panel=_MODEL,
    )  # fmt: skip
    lora_rank: int | None = setting(
        None,
        help="With --start: train adapters of this rank (LoRA), merged at the end.",
        least=1,
        most=512,
        panel=_MODEL,
    )
    frozen: str | None = setting(
        None,
        help="Train heads on two frozen encoders, as image=timm:resnet50,text=hf:ORG/REPO.",
        path=True,
        panel=_MODEL,
    )
    image_size: int | None = setting(
        None, help="Side of the pictures; the recipe's or the model's if not given.", unit="px", least=16, most=1024,
        panel=_MODEL,
    )  # fmt: skip

    steps: int | None = setting(None, help="Batches.", least=1, panel=_RECIPE)
    batch_size: int | None = setting(None, help="Pairs of a batch.", least=2, most=1_048_576, panel=_RECIPE)
    learning_rate: float | None = setting(None, help="At its peak.", least=1e-7, most=1, panel=_RECIPE)
    loss: str | None = setting(
        None, help="Contrastive loss; simclr reads no captions.", choices=("clip", "siglip", "simclr"), panel=_RECIPE
    )
    precision: str | None = setting(
        None,
        help="Arithmetic; auto is bf16 where the device computes in it, else fp32.",
        choices=("auto", "fp32", "bf16"),
        panel=_RECIPE,
    )
    patch_dropout: float | None = setting(
        None, help="Share of a ViT's patches left out, but in the last tenth of the steps.", least=0, most=0.9,
        panel=_RECIPE,
    )  # fmt: skip
    augment: str | None = setting(
        None,
        help="How pictures are changed, so that none is met twice; crop is open_clip's.",
        choices=("none", "shift", "flip+shift", "crop", "crop+flip"),
        panel=_RECIPE,
    )
    accumulate: int | None = setting(
        None, help="Micro-batches that a batch goes through the model in.", least=1, most=65_536, panel=_RECIPE
    )

    mix: str = setting(
        "merged",
        help="A batch is of all sources; of one after the other; of each, their gradients added.",
        choices=("merged", "round-robin", "accumulate"),
        panel=_MIXING,
    )
    weights: tuple[float, ...] = setting(
        (), help="One a source, in the order of --on; by their sizes if not given.", least=0, panel=_MIXING
    )
    most_repeats: float | None = setting(
        None, help="No pair is seen more often on average; the other sources take the place.", least=0, panel=_MIXING
    )

    device: str = setting("cpu", help="Where to train: cpu, cuda, or cuda:1.", result=False, panel=_RUN)
    compile: bool | None = setting(
        None, help="Compile the model; as the recipe says, and only on CUDA, if not given.", result=False, panel=_RUN
    )
    checkpoint_every: int = setting(
        500, help="Steps after which a killed run can go on; 0: it begins anew.", least=0, result=False, panel=_RUN
    )
    log_to: tuple[str, ...] = setting(
        (),
        help="Also tell the steps, while they are made, to jsonl or tensorboard (CORPUS/log/PROBE), or wandb=PROJECT.",
        result=False,
        panel=_RUN,
    )
    most_pack_gb: float = setting(
        10.0,
        help="Refuse to write more pixels than this to CORPUS/packs.",
        unit="GB",
        least=0,
        result=False,
        panel=_RUN,
    )

    def made(self) -> str:
        return f"probes/{self.probe}"

    def wanted(self) -> tuple[str, ...]:
        trained = dict.fromkeys([*models.probes(self.start), *models.probes(self.frozen)])
        if self.on:
            return (*(f"out:{normal(each)}" for each in self.on if is_folder(each)), *trained)
        names = ["shards"]
        for below, name in (("decisions", self.decision), ("duplicates", self.duplicates), ("splits", self.split)):
            if name is not None:
                names.append(f"{below}/{name}")
        return (*names, *trained)

    def uses(self) -> tuple[str, ...]:
        return probe_captions.parse(self.captions).layers()

    def units(self, corpus: Corpus) -> Sequence[str]:
        return tuple(f"seed-{seed}" for seed in self.seeds)

    def heeds(self, corpus: Corpus) -> tuple[str, ...]:
        if not self.on:
            return tuple(layer.name for layer in takedowns.layers(corpus))
        # The corpus itself, named by its path: what this plan makes of it has to be there first.
        here = [each for each in places(self.on) if isinstance(each, Part) and _same(each.corpus, corpus)]
        gone = [layer.name for layer in takedowns.layers(corpus)] if here else []
        return tuple(dict.fromkeys([*(name for each in here for name in each.layers()), *gone]))

    def inputs(self, corpus: Corpus, unit: str) -> dict[str, str]:
        captions = probe_captions.parse(self.captions)
        found = {"seed": unit}
        for number, place in enumerate(self._places(corpus)):
            digest = place.digest(captions)
            if not self.on or len(self.on) == 1:
                found |= digest
            else:  # names are in the accounting, and weights go by the order
                found |= {f"{number}: {place.name}: {name}": value for name, value in digest.items()}
        if self.start is not None:
            found["start"] = models.slug(corpus, self.start)
        if self.frozen is not None:
            for side, reference in zip(("image", "text"), towers(self.frozen), strict=False):
                found[f"{side} encoder"] = encoder(corpus, reference)
        return found

    def check(self, corpus: Corpus) -> None:
        if self.on and (self.decision or self.duplicates or self.split):
            raise UsageError(
                "an export has been decided on already (train-probe: on)", "leave --decision and the like away"
            )
        probe_captions.parse(self.captions)
        if self.weights and len(self.weights) != len(self.on):
            raise UsageError(
                f"{len(self.weights)} weights for {max(1, len(self.on))} sources (train-probe: weights)",
                "give one for each --on",
            )
        if self.lora_rank is not None and self.start is None:
            raise UsageError("adapters need a model to adapt (train-probe: lora_rank)", "name it with --start")
        given = [name for name in ("architecture", "start", "frozen") if getattr(self, name) is not None]
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} say different models (train-probe)", "give one of them")
        for word in self.log_to:
            if not is_log(word):
                raise UsageError(
                    f"{word!r} is no log (train-probe: log_to)", "write jsonl, tensorboard, or wandb=PROJECT"
                )
        for place in places(self.on):
            if isinstance(place, Part) and not _same(place.corpus, corpus):
                place.check()

    def foreseen(self) -> int:
        return len(self.seeds)

    def tidy(self, corpus: Corpus, unit: str) -> None:
        forget(self.layer(corpus), unit)
        Packs(corpus.path / FOLDER).sweep()

    def takes(self) -> Needs:
        return on(self.device)

    def open(self, corpus: Corpus) -> Work:
        from ..probe.mixing import Mixing
        from ..probe.train import train

        group = probe_ranks.group()
        packs = Packs(corpus.path / FOLDER)
        known: dict[str, list[Ready]] = {}

        def ready(seed: int) -> tuple[Any, list[Ready]]:
            """A fresh model, and the pairs as it wants them."""
            built = self._built(corpus, seed, probe_ranks.device(self.device, group))
            maker = Maker.of(built)
            if maker.key not in known:
                known[maker.key] = self._ready(corpus, maker, packs)
            return built, known[maker.key]

        def probe(unit: str, tell: Tell) -> None:
            commit = self.commit(corpus, unit)  # it counts the time from here
            seed, spent = int(unit.removeprefix("seed-")), time.process_time()
            built, of_all = probe_ranks.agreed(group, lambda: ready(seed))
            shares = [each.of_seed(seed, self.parts) for each in of_all]
            sources = [each.pack if self.control == NONE else each.pack.mismatched(seed) for each in shares]
            settings, say = self._settings(seed), calm(tell)  # training ends itself, with a checkpoint
            curve = train(
                built.model,
                sources,
                settings,
                mixing=Mixing(self.mix, self.weights, self.most_repeats),  # type: ignore[arg-type]
                on_step=lambda step: say(step.samples_seen, step.samples_seen),
                checkpoint=Unfinished(self.layer(corpus), unit, commit.fingerprint, self.checkpoint_every),
                logs=opened(self.log_to, corpus, self.probe, unit) if group.rank == 0 else (),
                group=group,
            )
            if group.rank:
                return
            told = {
                "recipe": RECIPES[self.recipe].key,
                "loss": settings.loss,
                "precision": curve.precision,
                "control": self.control,
                "parts": self.parts,
                "pairs": sum(len(each.pack) for each in of_all),
                "samples_seen": curve.samples_seen,
                "seen_by_source": curve.seen,
                "repetitions": curve.repetitions,
                "repetitions_by_source": curve.repetitions_by,
            }
            about = {"steps": settings.steps, "batch_size": settings.batch_size}
            left = sum((each.left for each in shares), Counter[str]())
            kept = sum(each.pairs for each in shares)
            with commit:
                files = built.files({"name": self.probe, "seed": seed, **about, **told}) | curve_files(curve, told)
                for name, payload in files.items():
                    commit.write(f"{unit}/{name}", payload)
                commit.finish(
                    seen=kept + left.total(),
                    kept=kept,
                    rejected=left,
                    **told,
                    fell_back=sum((each.fell_back for each in of_all), Counter[str]()),
                    device=curve.provenance.get("gpu") or curve.provenance.get("device", self.device),
                    processes=group.world,
                    cpu_seconds=time.process_time() - spent,
                )
            self.tidy(corpus, unit)

        return probe

    def _places(self, corpus: Corpus) -> tuple[Place, ...]:
        if self.on:
            return places(self.on)
        return (own(corpus, Choice(decision=self.decision, duplicates=self.duplicates, split=self.split)),)

    def _ready(self, corpus: Corpus, maker: Maker, packs: Packs) -> list[Ready]:
        captions = probe_captions.parse(self.captions)
        return [pack(place, maker, captions, packs, most_gb=self.most_pack_gb) for place in self._places(corpus)]

    def _built(self, corpus: Corpus, seed: int, device: str) -> Any:
        from ..clip import trainable

        recipe: Recipe = RECIPES[self.recipe]
        architecture, size = self.architecture, self.image_size
        if self.start is None and self.frozen is None:
            if architecture is None or architecture.startswith(_SMALL):
                size = size or recipe.image_size
            architecture = architecture or recipe.architecture
        return trainable.build(
            architecture,
            seed=seed,
            image_size=size,
            start=None if self.start is None else models.reference(corpus, self.start),
            lora_rank=self.lora_rank,
            frozen=None if self.frozen is None else models.reference(corpus, self.frozen),
            device=device,
            download=True,
        )

    def _settings(self, seed: int) -> TrainSettings:
        recipe, on_gpu = RECIPES[self.recipe], self.device.startswith("cuda")
        return recipe.settings(
            seed,
            steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            loss=self.loss,
            precision=self.precision,
            patch_dropout=self.patch_dropout,
            augment=self.augment,
            accumulate=self.accumulate,
            compile=self.compile if self.compile is not None else recipe.training.compile and on_gpu,
        )


def _same(one: Corpus, other: Corpus) -> bool:
    return one.path.resolve() == other.path.resolve()
