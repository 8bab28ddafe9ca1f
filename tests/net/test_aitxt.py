from __future__ import annotations

import pytest

from vlcorpus.net.aitxt import MAX_RULES, read, refusal
from vlcorpus.net.paths import comparable

IMAGES = "User-Agent: *\nDisallow: *.jpg\nDisallow: *.jpeg\nDisallow: *.png\nDisallow: *.c\nAllow: *.html\n"


def refused(text: str, path: str, *, is_image: bool = True) -> str | None:
    return refusal(read(text.encode(), "vlcorpus"), comparable(f"https://example.com{path}"), is_image=is_image)


@pytest.mark.parametrize(
    ("text", "path", "line"),
    [
        (IMAGES, "/a.jpg", "Disallow: *.jpg"),
        (IMAGES, "/A.JPG", "Disallow: *.jpg"),
        (IMAGES, "/a.jpeg?w=100", "Disallow: *.jpeg"),
        (IMAGES, "/resize?src=/b.png&w=1", "Disallow: *.png"),
        (IMAGES, "/resize?src=%2Fb.png", "Disallow: *.png"),
        (IMAGES, "/a.webp", None),
        (IMAGES, "/a.css", None),
        (IMAGES, "/img/123", None),
        (IMAGES, "/a.html", None),
        ("User-Agent: *\nDisallow: .gif", "/a.gif", "Disallow: .gif"),
        ("User-Agent: *\nDisallow: *.gif$", "/a.gif", "Disallow: *.gif$"),
        ("User-Agent: *\nDisallow: /", "/img/123", "Disallow: /"),
        ("User-Agent: *\nDisallow: *", "/img/123", "Disallow: *"),
        ("User-Agent: *\nDisallow: /\nAllow: *.jpg", "/a.jpg", None),
        ("User-Agent: *\nDisallow: /\nAllow: *.jpg", "/a.png", "Disallow: /"),
        ("User-Agent: *\nDisallow: *.jpg\nAllow: /press/*.jpg", "/Press/a.jpg", None),
        ("User-Agent: *\nAllow: *.jpg\nDisallow: *.jpg", "/a.jpg", None),
        ("User-Agent: *\nDisallow: private/", "/private/a", "Disallow: private/"),
        ("User-Agent: *\nDisallow: image/*", "/img/123", "Disallow: image/*"),
        ("User-Agent: *\nDisallow: image/jpeg", "/a.jpeg", "Disallow: image/jpeg"),
        ("User-Agent: *\nDisallow: image/png", "/a.jpeg", None),
        ("User-Agent: *\nDisallow: text/*", "/a.jpeg", None),
        ("User-Agent: *\nDisallow:", "/a.jpg", None),
        ("User-Agent: other\nDisallow: /", "/a.jpg", None),
        ("User-Agent: vlcorpus\nAllow: /\n\nUser-Agent: *\nDisallow: /", "/a.jpg", None),
        ("User-Agent: vlcorpus\nDisallow: /\n\nUser-Agent: *\nAllow: /", "/a.jpg", "Disallow: /"),
        ("<!doctype html><p>Disallow: /", "/a.jpg", None),
        ("", "/a.jpg", None),
    ],
)
def test_images(text: str, path: str, line: str | None) -> None:
    assert refused(text, path) == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("User-Agent: *\nDisallow: *.html", "Disallow: *.html"),
        ("User-Agent: *\nDisallow: text/*", "Disallow: text/*"),
        ("User-Agent: *\nDisallow: text/html", "Disallow: text/html"),
        ("User-Agent: *\nDisallow: image/*", None),
        ("User-Agent: *\nDisallow: *.jpg", None),
    ],
)
def test_pages(text: str, line: str | None) -> None:
    assert refused(text, "/a.html", is_image=False) == line


def test_hostile_files() -> None:
    many = "User-Agent: *\n" + "".join(f"Disallow: /{n}\n" for n in range(10 * MAX_RULES))
    assert len(read(many.encode(), "vlcorpus")) == MAX_RULES
    assert read(b"\x00" * 1_000_000, "vlcorpus") == ()
    assert read(b"User-Agent: *\nDisallow: /" + b"a" * 1_000_000, "vlcorpus") == ()
    assert refused("User-Agent: *\nDisallow: /" + "*a" * 200 + "b", "/" + "a" * 8000) is None
    assert refused(IMAGES, "/" + "." * 8000) is None
