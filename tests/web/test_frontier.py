"""What is followed, in which order, and what is not."""

from __future__ import annotations

import random

import pytest

from vlcorpus.errors import UsageError
from vlcorpus.web.frontier import GUARDS, Frontier

SEED = "https://www.site.example/shop/index.html"


def followed(links: list[str], **settings: object) -> list[str]:
    frontier = Frontier([SEED], **settings)  # type: ignore[arg-type]
    frontier.take(1)
    return list(frontier.add(SEED, 0, links))


def test_first_found_first_taken_each_once() -> None:
    frontier = Frontier([SEED, "https://site.example/", SEED])
    assert frontier.take(10) == [(SEED, 0), ("https://site.example/", 0)]
    assert frontier.add(SEED, 0, ["https://site.example/b", "https://site.example/a", SEED]) == (
        "https://site.example/b",
        "https://site.example/a",
    )
    assert frontier.add("https://site.example/", 0, ["https://site.example/a", "https://site.example/c"]) == (
        "https://site.example/c",
    )
    assert [url[-1] for url, depth in frontier.take(2) if depth == 1] == ["b", "a"]
    assert list(frontier.rest()) == [("https://site.example/c", 1)]


@pytest.mark.parametrize(
    ("scope", "names"),
    [("host", "abc"), ("domain", "abcd"), ("prefix", "a")],
)
def test_scope(scope: str, names: str) -> None:
    links = {
        "a": "https://www.site.example/shop/x",
        "b": "https://site.example/x",
        "c": "http://site.example/shopping",
        "d": "https://blog.site.example/",
        "e": "https://other.example/",
        "f": "https://evilsite.example/",
        "g": "https://site.example:8080/",
        "h": "https://site.example.evil.example/",
    }
    assert followed(list(links.values()), scope=scope) == [links[name] for name in names]


@pytest.mark.parametrize(
    ("path", "guard"),
    [
        ("/a/b/a/b/a/b/a/b", "repeated_segments"),
        ("/a/b/a/b/a/b", None),
        ("/" + "/".join(map(str, range(17))), "path_too_deep"),
        ("/" + "/".join(map(str, range(16))), None),
        ("/" + "x" * 2000, "too_long"),
    ],
)
def test_guards(path: str, guard: str | None) -> None:
    frontier = Frontier([SEED])
    frontier.take(1)
    assert len(frontier.add(SEED, 0, [f"https://site.example{path}"])) == (guard is None)
    assert dict(frontier.stopped) == ({guard: 1} if guard else {})


def test_queries_of_one_path_are_capped() -> None:
    links = [f"https://site.example/{path}?day={day}" for day in range(300) for path in "ab"]
    assert len(followed(links)) == 400


def test_depth_is_capped() -> None:
    frontier = Frontier([SEED], max_depth=1)
    frontier.add(SEED, 0, ["https://site.example/a"])
    assert frontier.add("https://site.example/a", 1, ["https://site.example/b"]) == ()
    assert frontier.stopped == {"too_deep": 1}
    assert set(frontier.stopped) < set(GUARDS)


def test_pages_are_capped() -> None:
    frontier = Frontier([SEED], max_pages=3)
    frontier.take(1)
    frontier.add(SEED, 0, [f"https://site.example/{number}" for number in range(5)])
    assert len(frontier.take(64)) == 2
    assert frontier.take(64) == []
    assert len(frontier) == 3


@pytest.mark.parametrize("wrong", [{"seeds": ["file:///etc/passwd"]}, {"scope": "world"}, {"max_pages": 0}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Frontier(**{"seeds": [SEED], **wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_a_replay_of_the_returned_links_gives_the_same_state(seed: int) -> None:
    rng = random.Random(seed)
    links = {
        n: [f"https://site.example/{rng.randrange(300)}?q={rng.randrange(4)}" for _ in range(6)] for n in range(200)
    }
    first, second = Frontier([SEED], max_queries=3), Frontier([SEED], max_queries=3)
    visits = []
    for number in range(60):
        ((url, depth),) = first.take(1)
        visits.append((url, depth, first.add(url, depth, links[number])))
    second.replay(visits)
    assert list(second.rest()) == list(first.rest())
    for number in range(60, 100):
        taken = first.take(1)
        assert second.take(1) == taken
        if taken:
            assert first.add(*taken[0], links[number]) == second.add(*taken[0], links[number])
