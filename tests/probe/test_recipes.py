from __future__ import annotations

import open_clip
import pytest

from vlcorpus.clip.towers import ARCHITECTURES
from vlcorpus.errors import UsageError
from vlcorpus.probe.recipes import RECIPES
from vlcorpus.probe.settings import TrainSettings


def test_samples_of_each_recipe() -> None:
    assert {name: recipe.samples for name, recipe in RECIPES.items()} == {
        "nano": 10_240,
        "demo": 38_400,
        "micro": 76_800,
        "mini": 1_024_000,
        "small": 12_800_000,
    }
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        assert recipe.key == f"{name} v{recipe.version}"
        assert recipe.architecture in ARCHITECTURES or recipe.architecture in open_clip.list_models()
        assert f"{recipe.samples:,}" in recipe.about


def test_small_is_datacomps() -> None:
    recipe = RECIPES["small"]
    settings = recipe.settings(seed=0)
    assert (recipe.architecture, recipe.image_size, settings.batch_size) == ("ViT-B-32", 224, 4096)
    assert (settings.learning_rate, settings.weight_decay, settings.betas) == (5e-4, 0.2, (0.9, 0.98))
    assert round(settings.warmup * settings.steps) == 500
    assert settings.schedule == "cosine"


def test_settings_with_changes() -> None:
    changed = RECIPES["nano"].settings(3, steps=7, loss="siglip", precision=None)
    assert changed == TrainSettings(steps=7, seed=3, loss="siglip")
    with pytest.raises(UsageError, match="steps"):
        RECIPES["nano"].settings(3, steps=0)
