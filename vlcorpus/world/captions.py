"""Words for scenes: true captions, the web's noise, and the prompts of zero-shot tests.

    rng = stream(1, "example")
    caption(Scene("star", "red", "striped", 2, "plain"), rng)      # 'a drawing of two striped crimson stars'
    wrong_caption(scene, rng)                                      # a true caption of some other scene
    file_name(rng), spam(rng), unrelated(rng)                      # 'IMG_2034.jpg', 'BUY CHEAP ...', 'The library ...'

A caption always names colour and shape (three in four times by the plain word, else by a synonym), names the texture
in three of five, the count in nine of ten where there are several, the background where the template does. It is
always true. About one in ten carries what web captions carry: quotes, an ampersand, a name with an umlaut. The order
of words tells nothing, so that a bag of words can learn all of it. Nothing here knows about pictures.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vlcorpus.world.chance import below, pick
from vlcorpus.world.scene import COLOURS, COUNTS, SHAPES, TEXTURES, Scene, random_scene

SHAPE_WORDS = {
    "circle": (("circle", "circles"), ("disc", "discs"), ("dot", "dots")),
    "ring": (("ring", "rings"), ("hoop", "hoops")),
    "square": (("square", "squares"), ("box", "boxes")),
    "triangle": (("triangle", "triangles"), ("pyramid", "pyramids")),
    "star": (("star", "stars"), ("starlet", "starlets")),
    "heart": (("heart", "hearts"), ("valentine", "valentines")),
    "bar": (("bar", "bars"), ("rod", "rods")),
    "crescent": (("crescent", "crescents"), ("moon", "moons")),
    "arrow": (("arrow", "arrows"), ("pointer", "pointers")),
    "bolt": (("bolt", "bolts"), ("lightning flash", "lightning flashes")),
}
COLOUR_WORDS = {
    "red": ("red", "crimson", "scarlet"),
    "orange": ("orange", "tangerine"),
    "yellow": ("yellow", "lemon", "golden"),
    "green": ("green", "emerald"),
    "blue": ("blue", "azure"),
    "purple": ("purple", "violet"),
    "pink": ("pink", "rose"),
    "black": ("black", "ebony"),
}
TEXTURE_WORDS = {
    "solid": ("solid", "flat"),
    "striped": ("striped", "stripy"),
    "dotted": ("dotted", "spotted"),
    "checked": ("checked", "chequered"),
}
COUNT_WORDS = {1: ("one", "a single"), 2: ("two", "a pair of"), 3: ("three", "a trio of")}
BACKGROUND_WORDS = {"plain": ("plain",), "shaded": ("shaded", "gradient"), "speckled": ("speckled", "grainy")}

# {what} is 'a red star', 'two striped blue rings'; {bare} the same without article or count.
TEMPLATES = (
    "{what}",
    "{what}",
    "a picture of {what}",
    "a drawing of {what}",
    "{what} on a {background} background",
    "{what} against a {background} backdrop",
    "photo of {what}",
    "{what}, vector illustration",
    "{bare} clip art",
    "an image showing {what}",
    "{what} over a {background} background",
    "icon with {what}",
    "{bare}, hand drawn",
    "there you see {what}",
)
# What web captions carry besides the caption.
_TRIMMINGS = (
    '"{text}"',
    "{text} & more",
    "{text} (Foto: Jörg Müller)",
    "Käthe's {text}",
    "{text} – © Grünwald & Söhne",
    "{text} <print>",
)

PROMPTS = ("{}", "a picture of {}", "a drawing of {}")

SPAM_TEMPLATES = (
    "BUY CHEAP ONLINE | FREE SHIPPING WORLDWIDE",
    "Best price {colour} {shape} 2024 – Top 10 deals",
    "click here to win a free gift card",
    "{shape} wallpaper HD download free 4k 1080p",
    "SALE -70% | order now | official store",
    "cheap {colour} bags shoes watches outlet",
    "download free mp3 ringtone music video",
    "casino bonus no deposit free spins",
    "{colour} {shape} coupon code discount voucher",
    "hot deals, best offers, lowest prices, buy now",
    "lose weight fast with this one weird trick",
    "subscribe to our newsletter & save 20%",
    "buy {colour} now, best quality, fast delivery",
    "SEO services cheap backlinks rank #1",
    "work from home and earn $5,000 a week",
)

_WHO = (
    "The town council",
    "Our choir",
    "Professor Özdemir",
    "The football club",
    "A local baker",
    "The harbour office",
    "Grandma",
    "The ministry of transport",
    "A young engineer",
    "The museum's director",
    "Team Zürich",
    "The weather service",
    "An orchestra",
    "The library",
)
_DID = (
    "opens a new branch",
    "reports record earnings",
    "wins the regional cup",
    "discusses the budget",
    "visits the old mill",
    "celebrates its anniversary",
    "cooks potato soup",
    "repairs the bridge",
    "postpones the concert",
    "publishes the minutes",
    "talks about the weather",
    "moves to another building",
)
_WHEN = (
    "in Ljubljana",
    "on Sunday",
    "near the station",
    "after a long winter",
    "for the third time",
    "with 200 guests",
    "at the lake",
    "this summer",
    "despite the rain",
    "in the morning",
    "since 1987",
    "without further notice",
)


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """A true caption of the scene."""
    template = pick(rng, TEMPLATES)
    what, bare = _phrases(scene, rng)
    text = template.format(what=what, bare=bare, background=pick(rng, BACKGROUND_WORDS[scene.background]))
    if rng.random() < 0.1:
        text = pick(rng, _TRIMMINGS).format(text=text)
    return text


def wrong_caption(scene: Scene, rng: np.random.Generator) -> str:
    """A true caption of another scene, one with another shape or another colour (mostly both)."""
    while True:
        other = random_scene(rng)
        if (other.shape, other.colour) != (scene.shape, scene.colour):
            return caption(other, rng)


def swapped(scene: Scene, rng: np.random.Generator) -> tuple[Scene, str]:
    """The scene with one attribute changed, and which: 'colour', 'shape', 'texture' or 'count'."""
    attribute = pick(rng, ("colour", "shape", "texture", "count"))
    if attribute == "colour":
        other = replace(scene, colour=pick(rng, [colour for colour in COLOURS if colour != scene.colour]))
    elif attribute == "shape":
        other = replace(scene, shape=pick(rng, [shape for shape in SHAPES if shape != scene.shape]))
    elif attribute == "texture":
        other = replace(scene, texture=pick(rng, [texture for texture in TEXTURES if texture != scene.texture]))
    else:
        other = replace(scene, count=pick(rng, [count for count in COUNTS if count != scene.count]))
    return other, attribute


def full_caption(scene: Scene) -> str:
    """The one caption that names every attribute by its plain word: 'two striped red stars on a plain background'."""
    shape = SHAPE_WORDS[scene.shape][0][0 if scene.count == 1 else 1]
    count = COUNT_WORDS[scene.count][0]
    return f"{count} {scene.texture} {scene.colour} {shape} on a {scene.background} background"


def file_name(rng: np.random.Generator) -> str:
    """A camera's, a phone's, a program's or a cache's file name."""
    form = below(rng, 8)
    number = below(rng, 10_000)
    if form == 0:
        return f"IMG_{number:04d}.jpg"
    if form == 1:
        return f"DSC{number:05d}.JPG"
    if form == 2:
        return f"{below(rng, 1 << 48):012x}{below(rng, 1 << 48):012x}.jpg"
    date = f"20{10 + below(rng, 15)}-{1 + below(rng, 12):02d}-{1 + below(rng, 28):02d}"
    clock = f"{below(rng, 24):02d}.{below(rng, 60):02d}.{below(rng, 60):02d}"
    if form == 3:
        return f"Screenshot {date} at {clock}.png"
    if form == 4:
        return f"{date.replace('-', '')}_{clock.replace('.', '')}.jpg"
    if form == 5:
        return f"image ({1 + number % 90}).jpeg"
    if form == 6:
        return f"untitled-{1 + number % 40}-copy.png"
    return f"P{1 + below(rng, 9)}{number:06d}_thumb_640x480.jpg"


def spam(rng: np.random.Generator) -> str:
    """Advertising; one in three templates has a colour's or shape's word that has nothing to do with the picture."""
    return pick(rng, SPAM_TEMPLATES).format(colour=pick(rng, COLOURS), shape=pick(rng, SHAPES))


def unrelated(rng: np.random.Generator) -> str:
    """A sentence about something else, without a word from the captions' nouns and adjectives."""
    return f"{pick(rng, _WHO)} {pick(rng, _DID)} {pick(rng, _WHEN)}"


def name(count: int, adjective: str, shape: str) -> str:
    """What prompts call a class: 'a red star', 'two stars', 'three striped stars'."""
    noun = SHAPE_WORDS[shape][0][0 if count == 1 else 1]
    bare = f"{adjective} {noun}" if adjective else noun
    if count == 1:
        return f"{_article(bare)} {bare}"
    return f"{COUNT_WORDS[count][0]} {bare}"


def _article(bare: str) -> str:
    return "an" if bare[0] in "aeiou" else "a"


def _phrases(scene: Scene, rng: np.random.Generator) -> tuple[str, str]:
    words = SHAPE_WORDS[scene.shape]
    shape = (words[0] if rng.random() < 0.75 else pick(rng, words[1:]))[0 if scene.count == 1 else 1]
    shades = COLOUR_WORDS[scene.colour]
    colour = shades[0] if rng.random() < 0.75 else pick(rng, shades[1:])
    texture = pick(rng, TEXTURE_WORDS[scene.texture]) + " " if rng.random() < 0.6 else ""
    bare = f"{texture}{colour} {shape}"
    if rng.random() < 0.12:
        # The general word comes with its own name, as in 'blue shapes: rings'.
        noun = "shape" if scene.count == 1 else "shapes"
        bare = f"{texture}{colour} {noun} ({shape})"
    if scene.count == 1 and rng.random() < 0.5:
        return f"{_article(bare)} {bare}", bare
    if scene.count > 1 and rng.random() < 0.1:
        return bare, bare
    return f"{pick(rng, COUNT_WORDS[scene.count])} {bare}", bare
