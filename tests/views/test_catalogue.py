from __future__ import annotations

import pytest
import yaml

from vlcorpus import spec
from vlcorpus.errors import UsageError
from vlcorpus.stages import registry
from vlcorpus.views.catalogue import keys, recipe_text, recipes


def test_every_recipe_says_what_it_is_for() -> None:
    found = recipes()
    assert {"demo", "demo-filter"} <= {each.name for each in found}
    for each in found:
        assert each.about and each.stages
        assert set(each.stages) <= set(registry.names())
        assert yaml.safe_load(recipe_text(each.name))["stages"]


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        recipe_text("dmo")
    assert caught.value.hint == "did you mean 'demo'?"


def test_keys_are_those_of_the_stage() -> None:
    for name in registry.names():
        found = keys(name)
        assert found["title"] == name and found["description"]
        assert list(found["properties"]) == [each.name for each in spec.settings_of(registry.stage(name))]
    with pytest.raises(UsageError, match="no stage 'fliter'"):
        keys("fliter")
