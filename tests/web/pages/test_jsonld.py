"""What JSON-LD gives, of shapes that pages use; and that nothing it says can raise."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vlcorpus.web.pages.jsonld import MAX_IMAGES, read


def images(*objects: Any) -> list[tuple[str, str]]:
    return [(image.url, image.words) for image in read(json.dumps(each) for each in objects).images]


IMAGE = {"@type": "ImageObject", "contentUrl": "a.jpg", "url": "b.jpg", "caption": "a cat", "name": "Cat"}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        (IMAGE, [("a.jpg", "a cat")]),
        ([IMAGE], [("a.jpg", "a cat")]),
        ({"@graph": [{"@type": "WebPage"}, IMAGE]}, [("a.jpg", "a cat")]),
        ({"@type": ["Thing", "ImageObject"], "url": "b.jpg", "name": "Cat"}, [("b.jpg", "Cat")]),
        ({"@type": "ImageObject", "url": "b.jpg", "alternateName": ["Puss", "Tom"]}, [("b.jpg", "Puss")]),
        ({"@type": "ImageObject", "url": "b.jpg", "caption": {"@value": "Puss"}}, [("b.jpg", "Puss")]),
        ({"@type": "ImageObject", "url": "b.jpg"}, []),
        ({"@type": "Product", "name": "Tea", "image": "t.jpg"}, [("t.jpg", "Tea")]),
        ({"@type": "Recipe", "name": "Tea", "image": ["t.jpg", "u.jpg"]}, [("t.jpg", "Tea"), ("u.jpg", "Tea")]),
        ({"headline": "News", "name": "x", "image": {"@type": "ImageObject", "url": "n.jpg"}}, [("n.jpg", "News")]),
        ({"headline": "News", "image": IMAGE}, [("a.jpg", "a cat")]),
        ({"headline": "News", "publisher": {"logo": {"@type": "ImageObject", "url": "l.png"}}}, []),
        ({"name": "Film", "thumbnailUrl": ["t.jpg"]}, [("t.jpg", "Film")]),
        (
            {
                "@graph": [
                    {"@type": "Article", "headline": "News", "image": {"@id": "#one"}},
                    {"@type": "WebPage", "name": "Page", "primaryImageOfPage": {"@id": "#one"}},
                    {"@type": "ImageObject", "@id": "#one", "url": "n.jpg"},
                ]
            },
            [("n.jpg", "News"), ("n.jpg", "Page")],
        ),
        ({"image": "t.jpg"}, []),
        ({"name": " ", "image": "t.jpg"}, []),
        ({"name": 7, "image": {"url": 7}}, []),
        ({"name": "x", "image": [None, 7, {"url": {}}, {"@id": 7}, [["a.jpg"]]]}, []),
        ({"@type": {"a": 1}, "contentUrl": "image", "caption": "x"}, []),
        ("image", []),
    ],
)
def test_shapes(said: Any, found: list[tuple[str, str]]) -> None:
    assert images(said) == found


def test_sizes_and_licences() -> None:
    said = {**IMAGE, "width": {"value": 640}, "height": "480", "license": {"url": "/terms"}}
    found = read([json.dumps(said)])
    assert (found.images[0].width, found.images[0].height, found.licences) == (640, "480", ["/terms"])


@pytest.mark.parametrize(
    "block",
    [
        '{"@type": "ImageObject", "url": "a.jpg", "caption": "a cat",}',
        '<!-- {"@type": "ImageObject", "url": "a.jpg", "caption": "a cat"} -->',
        '\n//<![CDATA[\n{"@type": "ImageObject", "url": "a.jpg", "caption": "a cat", }\n//]]>',
        '{"@type": "ImageObject", "url": "a.jpg", "caption": "a cat", "x": "1\n2"};',
    ],
)
def test_what_is_a_little_broken_is_read(block: str) -> None:
    assert [(image.url, image.words) for image in read([block]).images] == [("a.jpg", "a cat")]


@pytest.mark.parametrize(
    "block",
    [
        '{"image"',
        "[" * 500_000 + '"image"',
        '{"image":' * 100_000 + "1" + "}" * 100_000,
        '{"image": 1e999999, "name": ' + "9" * 100_000 + "}",
        '{"image": "\\ud800", "name": "\\ud800"}',
        "image" + " " * 900_000,
        "image" + "//" * 400_000,
        "image" + "," * 900_000,
        "image" + ", " * 400_000 + "}",
        '"image\ud800"',
    ],
)
def test_broken_blocks_are_passed_over(block: str) -> None:
    assert [image.words for image in read([block, json.dumps(IMAGE)]).images][-1] == "a cat"


def test_bounds() -> None:
    objects = [{**IMAGE, "caption": f"cat {number}"} for number in range(10_000)]
    assert len(images(objects)) == MAX_IMAGES
    assert len(images({"name": "x", "image": [f"{number}.jpg" for number in range(100_000)]})) == MAX_IMAGES
    assert images({"name": "x", "x": [[]] * 200_000, "image": "a.jpg"}) == [("a.jpg", "x")]
