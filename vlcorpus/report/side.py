"""Both sides of a threshold: pictures with their captions and scores, or captions alone."""

from __future__ import annotations

import base64

from vlcorpus.report.axes import number
from vlcorpus.report.markup import Html, element, join
from vlcorpus.report.model import Picture, Pictures

MAX_JPEG = 1 << 20
"""Bytes of a picture beyond which it is left out: a page of a few dozen should still open on a phone."""
JPEG_HEAD = b"\xff\xd8\xff"


def pictures(section: Pictures) -> Html:
    """Each side under its own title, nearest the threshold first."""
    sides = (("in", "✓", section.kept_title, section.kept), ("out", "✗", section.dropped_title, section.dropped))
    return join(
        *(
            element(
                "div",
                element(
                    "h3", element("span", sign, class_="yes" if side == "in" else "no", aria_hidden="true"), f" {title}"
                ),
                _listed(section, shown) if shown else element("p", "none", class_="note"),
                class_=f"side {side}",
            )
            for side, sign, title, shown in sides
        )
    )


def _listed(section: Pictures, shown: tuple[Picture, ...]) -> Html:
    one = _picture if section.pictured else _caption
    marks = "pictures" if section.pictured else "captions"
    return element("ul", *(element("li", one(picture, section.value)) for picture in shown), class_=marks)


def _caption(picture: Picture, value: str) -> Html:
    words = element("bdi", picture.caption, class_="words", title=picture.caption)
    note = element("div", picture.note, class_="faint") if picture.note else Html("")
    return join(element("span", _score(picture, value), class_="score"), element("div", words, note))


def _score(picture: Picture, value: str) -> str:
    return f"no {value}" if picture.value is None else number(picture.value, 0 if picture.value.is_integer() else 3)


def _picture(picture: Picture, value: str) -> Html:
    jpeg = picture.jpeg
    if jpeg is None or len(jpeg) > MAX_JPEG or not jpeg.startswith(JPEG_HEAD):
        image = element("div", "no picture", class_="blank")
    else:
        address = "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
        image = element("img", src=Html(address), alt=f"captioned: {picture.caption}")
    words = [
        element("div", _score(picture, value), class_="score"),
        element("bdi", picture.caption, class_="words", title=picture.caption),
    ]
    if picture.note:
        words.append(element("div", picture.note, class_="faint"))
    return element("figure", image, element("figcaption", *words))
