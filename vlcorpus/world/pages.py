"""HTML of the world's site.

    page_html("Page 3", images=[("/images/ab.jpg", "a red star")], links=["0004.html"], texts=["..."])

`alt=None` leaves the attribute out. Everything is escaped; the pages are UTF-8 and declare it. Pure functions, text
in and out.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

ROBOTS = "User-agent: *\nDisallow: /private/\nAllow: /\n"


def page_html(
    title: str,
    *,
    images: Sequence[tuple[str, str | None]],
    texts: Sequence[str] = (),
    links: Sequence[str] = (),
    robots: str = "",
    licence: str = "",
) -> str:
    """A page that shows `images` (src, alt) with a text after every tenth, then the links."""
    lines = ["<!doctype html>", '<html lang="en">', "<head>", '<meta charset="utf-8">']
    lines.append(f"<title>{escape(title)}</title>")
    if robots:
        lines.append(f'<meta name="robots" content="{escape(robots)}">')
    if licence:
        lines.append(f'<link rel="license" href="{escape(licence)}">')
    lines += ["</head>", "<body>", f"<h1>{escape(title)}</h1>"]
    for number, (source, alt) in enumerate(images):
        if texts and number % 10 == 0:
            lines.append(f"<p>{escape(texts[number // 10 % len(texts)])}</p>")
        words = "" if alt is None else f' alt="{escape(alt)}"'
        lines.append(f'<p><img src="{escape(source)}"{words}></p>')
    if links:
        lines.append("<ul>")
        lines += [f'<li><a href="{escape(link)}">{escape(link)}</a></li>' for link in links]
        lines.append("</ul>")
    lines += ["</body>", "</html>", ""]
    return "\n".join(lines)
