"""What is followed, in which order, and what is not."""

from __future__ import annotations

import random

import pytest

from vlcorpus.errors import SourceError, UsageError
from vlcorpus.web.live.frontier import GUARDS, Done, Due, Frontier

SITE = "https://site.example"
SEED = "https://www.site.example/shop/index.html"


def followed(links: list[str], **settings: object) -> list[str]:
    frontier = Frontier([SEED], **settings)  # type: ignore[arg-type]
    (due,) = frontier.take(1)
    frontier.add(due, None, links)
    return [due.url for due in frontier.rest()]


def names(dues: list[Due]) -> list[str]:
    return [due.url.removeprefix(SITE) for due in dues]


def test_first_found_first_taken_each_once() -> None:
    frontier = Frontier([SEED, f"{SITE}/", SEED])
    first, second = frontier.take(10)
    assert (first[:3], second[:3]) == ((SEED, 0, "seed"), (f"{SITE}/", 0, "seed"))
    links = (f"{SITE}/b", f"{SITE}/a", SEED)
    assert frontier.add(first, None, [*links, f"{SITE}/b"]) == links
    assert frontier.add(second, None, [f"{SITE}/a", f"{SITE}/c"]) == (f"{SITE}/a", f"{SITE}/c")
    assert [due[:2] for due in frontier.take(2)] == [(f"{SITE}/b", 1), (f"{SITE}/a", 1)]
    assert names(list(frontier.rest())) == ["/c"]


@pytest.mark.parametrize(
    ("scope", "kept"),
    [("host", "abc"), ("domain", "abcd"), ("prefix", "a")],
)
def test_scope(scope: str, kept: str) -> None:
    links = {
        "a": "https://www.site.example/shop/x",
        "b": f"{SITE}/x",
        "c": "http://site.example/shopping",
        "d": "https://blog.site.example/",
        "e": "https://other.example/",
        "f": "https://evilsite.example/",
        "g": "https://site.example:8080/",
        "h": "https://site.example.evil.example/",
    }
    assert followed(list(links.values()), scope=scope) == [links[name] for name in kept]


def test_several_seeds_have_a_scope_together() -> None:
    frontier = Frontier([f"{SITE}/a/", "https://other.example/b/"], scope="prefix")
    first, _ = frontier.take(2)
    links = [f"{SITE}/a/1", f"{SITE}/b/1", "https://other.example/b/1", "https://other.example/a/1"]
    assert frontier.add(first, None, links) == (links[0], links[2])
    assert frontier.stopped == {"out_of_scope": 2}


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
    (due,) = frontier.take(1)
    frontier.add(due, None, [f"{SITE}{path}"])
    assert len(frontier) == (guard is None)
    assert dict(frontier.stopped) == ({guard: 1} if guard else {})


def test_queries_of_one_path_are_capped() -> None:
    links = [f"{SITE}/{path}?day={day}" for day in range(300) for path in "ab"]
    assert len(followed(links)) == 400


def test_depth_is_capped() -> None:
    frontier = Frontier([SEED], max_depth=1)
    (due,) = frontier.take(1)
    frontier.add(due, None, [f"{SITE}/a"])
    (due,) = frontier.take(1)
    assert frontier.add(due, None, [f"{SITE}/b"]) == (f"{SITE}/b",), "in scope, but not followed"
    assert frontier.take(1) == []
    assert frontier.stopped == {"too_deep": 1}
    assert set(frontier.stopped) < set(GUARDS)


def test_pages_are_capped() -> None:
    frontier = Frontier([SEED], max_pages=3)
    (due,) = frontier.take(1)
    frontier.add(due, None, [f"{SITE}/{number}" for number in range(5)])
    assert frontier.capped is None
    assert len(frontier.take(64)) == 2
    assert frontier.take(64) == []
    assert (len(frontier), frontier.capped) == (3, "max_pages")


def test_pages_of_a_host_are_capped_one_by_one() -> None:
    links = [f"https://{host}site.example/{n}" for n in range(5) for host in ("", "b.", "www.")]
    kept = followed(links, scope="domain", max_pages_per_host=4)
    assert sorted(link for link in kept if "b.site" in link) == [f"https://b.site.example/{n}" for n in range(4)]
    assert len(kept) == 4 + 3, "the seed counts, and www. is no other host"


def test_bytes_are_capped() -> None:
    frontier = Frontier([SEED], max_bytes=100)
    (due,) = frontier.take(1)
    frontier.add(due, None, [f"{SITE}/{number}" for number in range(5)], 60)
    (due,) = frontier.take(1)
    frontier.add(due, None, [], 40)
    assert (frontier.take(64), frontier.capped) == ([], "max_bytes")


def test_patterns_hold_for_links_and_not_for_seeds() -> None:
    links = [f"{SITE}/{path}" for path in ("articles/1", "articles/2.pdf", "about", "x?p=/articles/")]
    assert names([Due(url, 1) for url in followed(links, include=["/articles/"])]) == [
        "/articles/1",
        "/articles/2.pdf",
        "/x?p=/articles/",
    ]
    kept = followed(links, include=[r"example/articles/", r"about$"], exclude=[r"\.pdf$"])
    assert names([Due(url, 1) for url in kept]) == ["/articles/1", "/about"]


def test_tracking_parameters_make_no_other_page() -> None:
    links = [f"{SITE}/a?utm_source=x", f"{SITE}/a", f"{SITE}/a?gclid=1"]
    assert followed(links) == [f"{SITE}/a"]
    assert followed(links, strip_tracking=False) == links


def test_a_redirect_keeps_its_depth_and_is_not_followed_for_ever() -> None:
    frontier = Frontier([SEED], max_depth=0)
    hops = 0
    while dues := frontier.take(1):
        assert (dues[0].depth, dues[0].kind) == (0, "seed")
        frontier.add(dues[0], "redirected", [f"{SITE}/hop{hops}"])
        hops += 1
    assert hops == 6
    assert frontier.stopped == {"too_many_hops": 1}


def test_a_redirect_to_the_same_page_with_a_session_is_followed_once() -> None:
    frontier = Frontier([f"{SITE}/a"])
    (due,) = frontier.take(1)
    links = frontier.add(due, "redirected", [f"{SITE}/a?PHPSESSID=1"])
    assert links == (f"{SITE}/a?PHPSESSID=1",)
    (due,) = frontier.take(1)
    assert due.url == links[0]
    frontier.add(due, "redirected", [f"{SITE}/a?PHPSESSID=2"])
    assert frontier.take(1) == []


def test_sitemaps_come_first_and_cost_no_pages() -> None:
    frontier = Frontier([SEED], use_sitemaps=True, max_pages=4)
    seed, robots = frontier.take(64)
    assert (robots.url, robots.kind) == ("https://www.site.example/robots.txt", "robots")
    frontier.add(seed, None, [f"{SITE}/linked", f"{SITE}/both"])
    frontier.add(robots, "sitemap_index", [f"{SITE}/index.xml", "https://other.example/s.xml"])
    (index,) = frontier.take(64)
    frontier.add(index, "sitemap_index", [f"{SITE}/1.xml", f"{SITE}/2.xml"])
    one, two = frontier.take(64)
    assert {index.kind, one.kind, two.kind} == {"list"}
    frontier.add(one, "sitemap", [f"{SITE}/listed", f"{SITE}/both", f"{SITE}/3.xml"])
    frontier.add(two, "sitemap", [f"{SITE}/4"])
    found = [due for _ in range(9) for due in frontier.take(2)]
    assert [(due.url.removeprefix(SITE), due.depth) for due in found] == [("/listed", 0), ("/3.xml", 0), ("/4", 0)]
    assert frontier.capped == "max_pages"
    assert names(list(frontier.rest())) == ["/linked", "/both"]


def test_indexes_of_indexes_end_somewhere() -> None:
    frontier = Frontier([f"{SITE}/0.xml"])
    taken = []
    while dues := frontier.take(1):
        taken.append(dues[0].level)
        frontier.add(dues[0], "sitemap_index", [f"{SITE}/{len(taken)}.xml"])
    assert taken == [0, 1, 2]
    assert frontier.stopped == {"too_many_sitemaps": 1}
    frontier = Frontier([f"{SITE}/0.xml"], max_sitemaps=10)
    (due,) = frontier.take(1)
    frontier.add(due, "sitemap_index", [f"{SITE}/{n}.xml" for n in range(1, 100)])
    assert len(frontier) == 10


def test_sitemaps_obey_the_host_and_their_pages_the_prefix() -> None:
    frontier = Frontier([f"{SITE}/shop/"], use_sitemaps=True, scope="prefix")
    _, robots = frontier.take(2)
    frontier.add(robots, "sitemap_index", [f"{SITE}/sitemap.xml", "https://other.example/sitemap.xml"])
    (sitemap,) = frontier.take(2)
    frontier.add(sitemap, "sitemap", [f"{SITE}/shop/1", f"{SITE}/about"])
    assert names(frontier.take(9)) == ["/shop/1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"seeds": ["file:///etc/passwd"]},
        {"scope": "world"},
        {"max_pages": 0},
        {"include": ["("]},
        {"exclude": ["x" * 2000]},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        Frontier(**{"seeds": [SEED], **wrong})  # type: ignore[arg-type]


def test_visits_of_another_crawl_are_refused() -> None:
    with pytest.raises(SourceError, match=r"found https://site\.example/b at depth 0, expected https://site\.example/"):
        Frontier([SITE]).replay([Done(f"{SITE}/b", 0, None, ())])


def outcome(rng: random.Random, due: Due) -> tuple[str | None, list[str]]:
    """How a visit may end: only seeds and what they name are ever read as sitemaps."""
    links = [f"{SITE}/{rng.randrange(300)}?q={rng.randrange(4)}&utm_id={rng.randrange(9)}" for _ in range(6)]
    lists = 3 if due.kind != "page" else 0
    return rng.choices([None, "redirected", "sitemap", "sitemap_index", "http_error"], [9, 2, lists, lists, 1])[
        0
    ], links


SETTINGS = {"max_queries": 3, "max_pages_per_host": 150, "use_sitemaps": True, "exclude": ["7"], "max_bytes": 9_000}


@pytest.mark.parametrize("seed", range(10))
def test_a_replay_of_the_returned_links_gives_the_same_state(seed: int) -> None:
    rng = random.Random(seed)
    first, second = (Frontier([SEED, f"{SITE}/"], **SETTINGS) for _ in range(2))  # type: ignore[arg-type]
    visits = []
    for _ in range(rng.randrange(120)):
        for due in first.take(1):
            reason, links = outcome(rng, due)
            visits.append(Done(due.url, due.depth, reason, first.add(due, reason, links, 70), 70))
    second.replay(visits)
    assert list(second.rest()) == list(first.rest())
    for _ in range(100):
        taken = first.take(1)
        assert second.take(1) == taken
        for due in taken:
            reason, links = outcome(rng, due)
            assert first.add(due, reason, links, 70) == second.add(due, reason, links, 70)
    assert (first.capped, first.taken) == (second.capped, second.taken)


@pytest.mark.parametrize("seed", range(10))
def test_chunks_and_what_is_put_back_do_not_change_the_order(seed: int) -> None:
    def visited(chunks: random.Random | None) -> list[Due]:
        frontier = Frontier([SEED, f"{SITE}/"], max_pages=100, **SETTINGS)  # type: ignore[arg-type]
        found: list[Due] = []
        while batch := frontier.take(chunks.randrange(1, 30) if chunks else 1):
            most = len(batch) if chunks is None else chunks.randrange(1, len(batch) + 1)
            for due in batch[:most]:
                frontier.add(due, *outcome(random.Random(f"{seed} {due.url}"), due), 70)
            if not frontier.is_full:
                frontier.put_back(batch[most:])
            found += batch[:most]
        return found

    one_by_one = visited(None)
    assert len(one_by_one) > 50
    chunked = visited(random.Random(seed))
    assert chunked[: len(one_by_one)] == one_by_one
