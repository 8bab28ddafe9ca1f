from __future__ import annotations

from html.parser import HTMLParser

from vlcorpus.world.pages import page_html


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_texts_survive_escaping_and_a_missing_alt_is_missing() -> None:
    alts = ['"quoted" & <b>bold</b>', "Käthe's Stern – ♥", "", "  ", None, "a &amp; b"]
    parser = Tags()
    parser.feed(
        page_html("A & B", images=[("/i.jpg?a=1&b=2", alt) for alt in alts], robots="noai", licence="http://l/?a&b")
    )
    images = [attributes for tag, attributes in parser.found if tag == "img"]
    assert [attributes.get("alt") for attributes in images] == alts
    assert "alt" not in images[4]
    assert {attributes["src"] for attributes in images} == {"/i.jpg?a=1&b=2"}
    assert ("meta", {"name": "robots", "content": "noai"}) in parser.found
    assert ("link", {"rel": "license", "href": "http://l/?a&b"}) in parser.found
