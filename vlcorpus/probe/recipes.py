"""Named ways to train. A recipe's version changes whenever the numbers it gives could.

    >>> RECIPES["demo"].key, RECIPES["demo"].samples
    ('demo v2', 38400)

Every arm of a comparison sees the same number of samples, however many pairs it has (DataComp's rule).

| recipe | model | pixels | samples | one CPU thread with bf16 units |
|---|---|---|---|---|
| nano  | conv-nano  | 32  | 10,240     | 2 s |
| demo  | conv-nano  | 32  | 38,400     | 6 s |
| micro | conv-micro | 32  | 76,800     | 28 s |
| mini  | conv-micro | 64  | 1,024,000  | 25 min |
| small | ViT-B-32   | 224 | 12,800,000 | a GPU |

`small` is DataComp's scale of that name: open_clip's ViT-B-32, batches of 4,096, rate 5e-4 after 500 updates of
warm-up, cosine, betas .9 and .98, decay .2, crops of 90 to 100 % of the area (Gadre and others 2023).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vlcorpus.probe.settings import TrainSettings


@dataclass(frozen=True, kw_only=True)
class Recipe:
    name: str
    version: int
    architecture: str
    image_size: int
    """Pixels of a side"""
    training: TrainSettings
    about: str = ""

    @property
    def key(self) -> str:
        """Name and version, as results bear it"""
        return f"{self.name} v{self.version}"

    @property
    def steps(self) -> int:
        return self.training.steps

    @property
    def batch_size(self) -> int:
        return self.training.batch_size

    @property
    def samples(self) -> int:
        return self.steps * self.batch_size

    def settings(self, seed: int, **changes: Any) -> TrainSettings:
        """changes: fields of TrainSettings that differ from the recipe's; None stands for the recipe's own."""
        given = {name: value for name, value in changes.items() if value is not None}
        return replace(self.training, seed=seed, **given)


_DATACOMP = TrainSettings(
    steps=3125,
    batch_size=4096,
    learning_rate=5e-4,
    weight_decay=0.2,
    warmup=0.16,
    schedule="cosine",
    epsilon=1e-6,
    clip_norm=0.0,
    augment="crop",
    precision="bf16",
    compile=True,
)

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            name="nano",
            version=2,
            architecture="conv-nano",
            image_size=32,
            training=TrainSettings(steps=40),
            about="10,240 samples, some 2 CPU seconds: ranks corpora that differ a lot",
        ),
        Recipe(
            name="demo",
            version=2,
            architecture="conv-nano",
            image_size=32,
            training=TrainSettings(steps=150),
            about="38,400 samples, some 6 CPU seconds: the demo's probe",
        ),
        Recipe(
            name="micro",
            version=2,
            architecture="conv-micro",
            image_size=32,
            training=TrainSettings(steps=300),
            about="76,800 samples, some 28 CPU seconds: photos, and small differences",
        ),
        Recipe(
            name="mini",
            version=1,
            architecture="conv-micro",
            image_size=64,
            training=TrainSettings(steps=2000, batch_size=512),
            about="1,024,000 samples of 64 pixels, some 25 CPU minutes: finer detail, and corpora of 100,000 and more",
        ),
        Recipe(
            name="small",
            version=1,
            architecture="ViT-B-32",
            image_size=224,
            training=_DATACOMP,
            about="12,800,000 samples of 224 pixels, for a GPU: DataComp's small scale",
        ),
    )
}
