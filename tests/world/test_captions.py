from __future__ import annotations

import re

import pytest

from vlcorpus.world import captions as words
from vlcorpus.world.chance import stream
from vlcorpus.world.scene import BACKGROUNDS, COLOURS, SHAPES, TEXTURES, Scene, random_scene


def spoken(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def tokens(phrases: object) -> set[str]:
    """Every word of a nested tuple of phrases."""
    if isinstance(phrases, str):
        return spoken(phrases)
    return set().union(*(tokens(phrase) for phrase in phrases))  # type: ignore[attr-defined]


TABLES = (
    ("shape", words.SHAPE_WORDS),
    ("colour", words.COLOUR_WORDS),
    ("texture", words.TEXTURE_WORDS),
    ("count", words.COUNT_WORDS),
    ("background", words.BACKGROUND_WORDS),
)


def contradictions(scene: Scene, text: str) -> set[str]:
    """Words in the text that are another scene's and not this one's."""
    wrong: set[str] = set()
    for attribute, table in TABLES:
        mine = tokens(table[getattr(scene, attribute)])
        others = set().union(*(tokens(phrases) for phrases in table.values())) - mine
        wrong |= spoken(text) & (others - {"a", "of"})
    return wrong


def test_every_value_has_words() -> None:
    assert tuple(words.SHAPE_WORDS) == SHAPES
    assert tuple(words.COLOUR_WORDS) == COLOURS
    assert tuple(words.TEXTURE_WORDS) == TEXTURES
    assert tuple(words.BACKGROUND_WORDS) == BACKGROUNDS
    assert len(set(words.TEMPLATES)) >= 10
    assert len(set(words.SPAM_TEMPLATES)) == 15


def test_captions_are_true_and_name_colour_and_shape() -> None:
    for number in range(2000):
        rng = stream(1, "test", number)
        scene = random_scene(rng)
        text = words.caption(scene, rng)
        # 'on a plain background' is the one word that two attributes might share; none do.
        assert not contradictions(scene, text), (scene, text)
        assert spoken(text) & tokens(words.SHAPE_WORDS[scene.shape]), (scene, text)
        assert spoken(text) & tokens(words.COLOUR_WORDS[scene.colour]), (scene, text)
        several = spoken(text) & {plural.split()[-1] for _, plural in words.SHAPE_WORDS[scene.shape]}
        assert bool(several) == (scene.count > 1), (scene, text)


def test_captions_vary_and_carry_what_web_captions_carry() -> None:
    scene = Scene("star", "red", "striped", 2, "plain")
    texts = {words.caption(scene, stream(1, "vary", number)) for number in range(500)}
    assert len(texts) > 200
    assert all(any(sign in text for text in texts) for sign in '&"öä<')


def test_wrong_captions_say_another_colour_or_shape() -> None:
    for number in range(1000):
        rng = stream(1, "wrong", number)
        scene = random_scene(rng)
        text = words.wrong_caption(scene, rng)
        said = spoken(text)
        same = said & tokens(words.SHAPE_WORDS[scene.shape]) and said & tokens(words.COLOUR_WORDS[scene.colour])
        assert not same, (scene, text)


@pytest.mark.parametrize("maker", [words.file_name, words.unrelated], ids=["file_name", "unrelated"])
def test_noise_says_nothing_about_pictures(maker) -> None:  # type: ignore[no-untyped-def]
    attributes = set().union(*(tokens(tuple(table.values())) for _, table in TABLES)) - {"a", "of", "single"}
    texts = [maker(stream(1, "noise", number)) for number in range(500)]
    assert len(set(texts)) > 300
    assert not set().union(*(spoken(text) for text in texts)) & attributes


def test_one_attribute_is_swapped() -> None:
    for number in range(200):
        rng = stream(1, "swap", number)
        scene = random_scene(rng)
        other, attribute = words.swapped(scene, rng)
        changed = [name for name, _ in TABLES if getattr(scene, name) != getattr(other, name)]
        assert changed == [attribute]
        assert words.full_caption(scene) != words.full_caption(other)


def test_names_of_classes_are_words_of_captions() -> None:
    assert words.name(1, "red", "star") == "a red star"
    assert words.name(1, "orange", "star") == "an orange star"
    assert words.name(1, "", "arrow") == "an arrow"
    assert words.name(2, "striped", "bolt") == "two striped bolts"
    assert words.name(3, "", "star") == "three stars"
    assert len(words.PROMPTS) >= 3
    assert all(prompt.count("{}") == 1 for prompt in words.PROMPTS)
