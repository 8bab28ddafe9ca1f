"""Candidates become shards in img2dataset's layout: the same bytes on every run, each failure a row with its reason."""

from __future__ import annotations

import io
import json
import re
import shutil
import socket
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from tests.net.server import LoopbackServer
from tests.stages.running import contents, do, done, here, quiet, rows, write_list
from vlcorpus import schema
from vlcorpus.corpus import Corpus
from vlcorpus.errors import UsageError
from vlcorpus.images.prepare import ImageSettings
from vlcorpus.io import tar
from vlcorpus.net.sitefiles import PATHS
from vlcorpus.stages import shards
from vlcorpus.stages.crawl import Crawl
from vlcorpus.stages.download import Download
from vlcorpus.stages.import_ import Import
from vlcorpus.stages.outcome import Fetched
from vlcorpus.world.planted import ORIGIN, Planted
from vlcorpus.world.server import Served
from vlcorpus.world.site import Site, WorldSettings, write_site

LOOPBACK = ("127.0.0.0/8",)
IMG2DATASET_COLUMNS = [
    "url", "caption", "key", "status", "error_message", "width", "height", "original_width", "original_height",
    "exif", "sha256",
]  # fmt: skip
IMG2DATASET_STATS = {
    "count", "successes", "failed_to_download", "failed_to_resize", "duration", "start_time", "end_time",
    "status_dict",
}  # fmt: skip
BROKEN = {
    "truncated": {"truncated_image"},
    "garbage": {"decode_error", "truncated_image"},
    "html": {"not_an_image"},
    "empty": {"not_an_image"},
}
REASONS = {*schema.reasons()["fetch"], *schema.reasons()["image"]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    rates = {"missing": 0.05, "broken_image": 0.15, "tiny_image": 0.04, "noai_image": 0.05, "extra_caption": 0.15}
    settings = WorldSettings(pairs=60, seed=4, pairs_per_page=40, **rates)  # type: ignore[arg-type]
    return write_site(tmp_path_factory.mktemp("world") / "w", settings)


@contextmanager
def served(site: Site, log: Path | None = None) -> Iterator[dict[str, Any]]:
    with Served(site.root, log=log) as server:
        yield {"allow_private": LOOPBACK, "connect_to": server.connect_to}


@pytest.fixture(scope="module")
def crawled(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Candidates in four shards, nothing downloaded."""
    corpus = Corpus.create(tmp_path_factory.mktemp("crawled") / "c", shard_rows=25)
    with served(site) as network:
        do(corpus, [Crawl(sources=(f"{ORIGIN}/",), contact=f"{ORIGIN}/contact", delay=0.0, **network)])
    return corpus


@pytest.fixture(scope="module")
def downloaded(site: Site, crawled: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    with served(site) as network:
        return download(crawled, tmp_path_factory.mktemp("downloaded"), **network)


def download(crawled: Corpus, place: Path, *, workers: int = 1, **more: Any) -> Corpus:
    """A copy of the corpus, downloaded."""
    shutil.copytree(crawled.path, place / "c")
    corpus = Corpus.open(place / "c")
    do(corpus, [settings(**more)], workers=workers)
    return corpus


def settings(**more: Any) -> Download:
    return Download(**{"min_image_size": 16, "retries": 0, **more})


def by_pair(site: Site) -> dict[tuple[str, str], Planted]:
    return {(pair.url, pair.alt_text): pair for pair in site.planted}


# --- the planted truth


def test_every_planted_fault_has_its_reason(site: Site, downloaded: Corpus) -> None:
    truth = by_pair(site)
    found = rows(downloaded, "shards")
    for row in found:
        pair = truth[row["url"], row["caption"]]
        expected = {pair.expected_reason if pair.expected_stage == "download" else None}
        if pair.fault == "broken_image":
            expected = BROKEN[pair.detail]
        assert row["reason"] in expected, pair
        status = "failed_to_download" if row["reason"] in ("http_error", "optout") else "failed_to_resize"
        assert row["status"] == (status if row["reason"] else "success")
    wanted = {"http_error", "optout", "image_too_small", "truncated_image", "not_an_image"}
    assert wanted <= {row["reason"] for row in found} - {None} <= REASONS


def test_no_row_is_lost(crawled: Corpus, downloaded: Corpus) -> None:
    given, found = rows(crawled, "candidates"), rows(downloaded, "shards")
    assert [(row["in"], row["uid"].hex(), row["url"], row["alt_text"]) for row in given] == [
        (row["in"], row["uid"], row["url"], row["caption"]) for row in found
    ]
    for shard in downloaded.layer("shards").units():
        stats = downloaded.layer("shards").stats(shard)
        own = [row for row in found if row["in"] == shard]
        assert stats is not None and stats["seen"] == len(own) == stats["kept"] + sum(stats["rejected"].values())
        assert stats["rejected"] == Counter(row["reason"] for row in own if row["reason"])


# --- the layout


def test_tables_begin_with_the_columns_of_img2dataset(downloaded: Corpus) -> None:
    for shard in downloaded.layer("shards").units():
        names = pq.read_schema(downloaded.layer("shards").path(f"{shard}.parquet")).names
        assert names[: len(IMG2DATASET_COLUMNS)] == IMG2DATASET_COLUMNS
    found = rows(downloaded, "shards")
    for shard in downloaded.layer("shards").units():
        own = [row for row in found if row["in"] == shard]
        assert [row["key"] for row in own] == [f"{shard}{number:02d}" for number in range(len(own))]
    for row in found:
        assert (row["status"] == "success") == (row["error_message"] is None) == (row["width"] is not None)
        assert row["error_message"] is None or row["error_message"].startswith(row["reason"])


def test_stats_have_the_fields_of_img2dataset(downloaded: Corpus) -> None:
    layer = downloaded.layer("shards")
    for shard in layer.units():
        stats = json.loads(layer.path(f"{shard}_stats.json").read_text())
        assert stats.keys() >= IMG2DATASET_STATS
        own = [row for row in rows(downloaded, "shards") if row["in"] == shard]
        counted = Counter(row["status"] for row in own)
        assert stats["count"] == len(own) == sum(stats["status_dict"].values())
        assert stats["successes"] == counted["success"] == stats["status_dict"]["success"]
        assert stats["failed_to_download"] == counted["failed_to_download"]
        assert stats["failed_to_resize"] == counted["failed_to_resize"]
    assert any("http_error 404" in (layer.stats(shard) or {})["status_dict"] for shard in layer.units())


def test_tars_hold_each_image_once_beside_its_words(site: Site, downloaded: Corpus) -> None:
    layer = downloaded.layer("shards")
    shared = 0
    for shard in layer.units():
        own = [row for row in rows(downloaded, "shards") if row["in"] == shard and row["status"] == "success"]
        firsts = [row for row in own if row["key"] == row["image_key"]]
        with tarfile.open(layer.path(f"{shard}.tar")) as opened:
            names = opened.getnames()
            assert names == [f"{row['key']}.{part}" for row in firsts for part in ("jpg", "json", "txt")]
            members = {name: opened.extractfile(name).read() for name in names}  # type: ignore[union-attr]
        for row in firsts:
            assert members[f"{row['key']}.txt"].decode() == row["caption"]
            about = json.loads(members[f"{row['key']}.json"])
            assert about == {name: row[name] for name in about} and about.keys() >= {"uid", "url", "sha256", "caption"}
            with Image.open(io.BytesIO(members[f"{row['key']}.jpg"])) as image:
                assert image.size == (row["width"], row["height"])
        keys = {row["image_id"]: row["key"] for row in firsts}
        assert all(row["image_key"] == keys[row["image_id"]] for row in own)
        shared += len(own) - len(firsts)
    assert shared == sum(pair.fault == "extra_caption" for pair in site.planted)


def test_webdataset_and_open_clip_read_the_shards(downloaded: Corpus) -> None:
    data = pytest.importorskip("open_clip_train.data")
    layer = downloaded.layer("shards")
    paths = [str(layer.path(f"{shard}.tar")) for shard in layer.units()]
    expected = [
        (row["key"], row["caption"])
        for row in rows(downloaded, "shards")
        if row["status"] == "success" and row["key"] == row["image_key"]
    ]
    plain = webdataset.WebDataset(paths, shardshuffle=False, empty_check=False)
    assert [(sample["__key__"], sample["txt"].decode()) for sample in plain] == expected
    # What open_clip's own expander does with the webdataset that it is made for; newer ones mark the end of each tar.
    members = webdataset.tariterators.tar_file_expander(
        webdataset.tariterators.url_opener({"url": path} for path in paths), eof_value=None
    )
    pipeline = webdataset.DataPipeline(
        lambda: data.group_by_keys_nothrow(members),
        webdataset.select(data.filter_no_caption_or_no_image),
        webdataset.decode("pilrgb", handler=data.log_and_continue),
        webdataset.rename(image="jpg;png;jpeg;webp", text="txt"),
        webdataset.to_tuple("__key__", "text", "image"),
    )
    found = list(pipeline)
    assert [(key, text) for key, text, _ in found] == expected
    assert all(image.mode == "RGB" for _, _, image in found)


# --- the same on every run


@pytest.mark.parametrize("workers, concurrency, per_host", [(2, 64, 8), (1, 1, 1), (1, 64, 64)])
def test_the_same_bytes_on_every_run(
    site: Site, crawled: Corpus, downloaded: Corpus, tmp_path: Path, workers: int, concurrency: int, per_host: int
) -> None:
    with served(site) as network:
        more = {"concurrency": concurrency, "per_host": per_host, **network}
        corpus = download(crawled, tmp_path, workers=workers, **more)
        assert contents(corpus, "shards") == contents(downloaded, "shards")
        first, second = corpus.layer("shards"), downloaded.layer("shards")
        assert [first.digest(shard) for shard in first.units()] == [second.digest(shard) for shard in second.units()]
        assert len(done(do(corpus, [settings(**network)]), "unchanged")) == len(first.units())


def test_a_killed_download_does_one_shard_again(site: Site, downloaded: Corpus, tmp_path: Path) -> None:
    shutil.copytree(downloaded.path, tmp_path / "c")
    corpus = Corpus.open(tmp_path / "c")
    layer = corpus.layer("shards")
    whole = contents(corpus, "shards")
    layer.path("00001_stats.json").unlink()
    layer.path("00001.tar").write_bytes(b"half")
    with served(site, tmp_path / "log") as network:
        assert done(do(corpus, [settings(**network)])) == ["shards/00001"]
    assert contents(corpus, "shards") == whole
    images = {row["url"] for row in rows(corpus, "shards") if row["in"] == "00001"}
    asked = {ORIGIN + line.split()[1] for line in (tmp_path / "log").read_text().splitlines()}
    assert asked == images | {ORIGIN + path for path in PATHS}


def test_other_settings_make_all_shards_again(site: Site, downloaded: Corpus, tmp_path: Path) -> None:
    shutil.copytree(downloaded.path, tmp_path / "c")
    corpus = Corpus.open(tmp_path / "c")
    units = corpus.layer("shards").units()
    with served(site) as network:
        again = settings(image_size=32, encode_format="png", encode_quality=6, **network)
        assert sorted(done(do(corpus, [again]))) == [f"shards/{unit}" for unit in units]
        assert len(done(do(corpus, [again]), "unchanged")) == len(units)
    stored = [row for row in rows(corpus, "shards") if row["status"] == "success"]
    assert stored and {max(row["width"], row["height"]) for row in stored} == {32}
    assert {entry.extension for entry in tar.scan(corpus.layer("shards").path("00000.tar"))} == {"png", "json", "txt"}


def test_new_candidates_extend_the_shards(site: Site, downloaded: Corpus, tmp_path: Path) -> None:
    shutil.copytree(downloaded.path, tmp_path / "c")
    corpus = Corpus.open(tmp_path / "c")
    before = contents(corpus, "shards")
    known = rows(corpus, "shards")[0]
    fresh = next(pair for pair in site.planted if pair.fault == "robots_denied")
    more = write_list(tmp_path / "more.csv", [(fresh.url, "new"), (known["url"], known["caption"])])
    with served(site, tmp_path / "log") as network:
        events = do(corpus, [Import(source=more), settings(**network)])
    assert [unit for unit in done(events) if unit.startswith("shards")] == [f"shards/{len(before) // 2:05d}"]
    assert contents(corpus, "shards").items() >= before.items()
    asked = [line.split()[1] for line in (tmp_path / "log").read_text().splitlines()]
    assert sorted(asked) == sorted([*PATHS, fresh.url.removeprefix(ORIGIN)])


def test_a_shard_of_nothing_is_a_whole_shard(tmp_path: Path) -> None:
    corpus = Corpus.create(tmp_path / "c")
    here(corpus, Import(source=write_list(tmp_path / "list.csv", [("", "no image")])))
    here(corpus, Download())
    assert rows(corpus, "shards") == [] and tar.scan(corpus.layer("shards").path("00000.tar")) == []


# --- what is stored


def test_no_image_size_keeps_the_bytes(site: Site, crawled: Corpus, tmp_path: Path) -> None:
    with served(site) as network:
        corpus = download(crawled, tmp_path, image_size=None, min_image_size=0, **network)
    layer = corpus.layer("shards")
    bodies = {
        entry.key: body
        for shard in layer.units()
        for entry, body in tar.read_members(layer.path(f"{shard}.tar"))
        if entry.extension not in ("txt", "json")
    }
    stored = [row for row in rows(corpus, "shards") if row["status"] == "success"]
    for row in stored:
        assert bodies[row["image_key"]] == (site.root / row["url"].removeprefix(f"{ORIGIN}/")).read_bytes()
    assert len(bodies) == len({row["image_key"] for row in stored}) > 50


def in_shards(path: Path, order: list[int]) -> dict[str, bytes | str]:
    """A shard of twelve pictures that come in this order."""
    corpus = Corpus.create(path)
    pairs = [(f"http://a.test/{number}.png", f"picture {number}") for number in range(12)]
    here(corpus, Import(source=write_list(path / "list.csv", pairs)))
    candidates = rows(corpus, "candidates")
    for row in candidates:
        del row["in"]

    def fetch(wanted: list[int]) -> Iterator[tuple[int, Fetched]]:
        assert sorted(order) == wanted
        for number in order:
            sink = io.BytesIO()
            Image.linear_gradient("L").resize((40 + number, 50)).save(sink, "PNG")
            reason = "http_error" if number == 5 else None
            yield number, Fetched(body=sink.getvalue(), reason=reason, http_status=404 if reason else 200)

    commit = Download().commit(corpus, "00000")
    shards.write(commit, corpus, "00000", candidates, shards.made(fetch, ImageSettings()), quiet)
    assert [path.name for path in corpus.layer("shards").folder.iterdir() if path.name.startswith(".")] == []
    return contents(corpus, "shards")


def test_the_order_of_arrival_changes_nothing(tmp_path: Path) -> None:
    straight = list(range(12))
    expected = in_shards(tmp_path / "a", straight)
    for name, order in (("b", straight[::-1]), ("c", [3, 1, 2, 0, 11, *straight[4:11]])):
        assert in_shards(tmp_path / name, order) == expected


# --- the network


def fetch_list(path: Path, urls: dict[str, str], **more: Any) -> dict[str, dict[str, Any]]:
    """Rows by name of a download of these URLs; the corpus is made where there is none."""
    corpus = Corpus.create(path / "c")
    here(corpus, Import(source=write_list(path / "list.csv", [(url, name) for name, url in urls.items()])))
    do(corpus, [settings(**{"allow_private": LOOPBACK, **more})])
    return {row["caption"]: row for row in rows(corpus, "shards")}


def jpeg() -> bytes:
    sink = io.BytesIO()
    Image.linear_gradient("L").resize((60, 40)).convert("RGB").save(sink, "JPEG")
    return sink.getvalue()


def test_opt_outs_of_images_are_dropped_or_tagged(tmp_path: Path) -> None:
    headers = {
        "noai": {"X-Robots-Tag": "noai"},
        "tdm": {"TDM-Reservation": "1"},
        "other": {"X-Robots-Tag": "bot: noai"},
    }
    with LoopbackServer() as server:
        urls = {name: server.put(f"/{name}.jpg", jpeg(), extra) for name, extra in headers.items()}
        dropped = fetch_list(tmp_path / "drop", urls)
        tagged = fetch_list(tmp_path / "tag", urls, optout="tag")
    assert {name: row["reason"] for name, row in dropped.items()} == {"noai": "optout", "tdm": "optout", "other": None}
    assert all(row["status"] == "success" for row in tagged.values())
    for found in (dropped, tagged):
        assert {name: row["optout"] for name, row in found.items()} == {
            "noai": ["noai|x-robots-tag|noai"],
            "tdm": ["tdm-reservation|tdm-reservation|1"],
            "other": None,
        }


def test_robots_txt_of_the_images_host_is_obeyed(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        server.put("/robots.txt", b"User-agent: *\nDisallow: /no/\n")
        urls = {
            "yes": server.put("/yes.jpg", jpeg()),
            "no": server.put("/no/a.jpg", jpeg()),
            "through": server.url("/redirect-to/302?/no/a.jpg"),
        }
        obeyed = fetch_list(tmp_path / "obey", {name: urls[name] for name in ("yes", "no")})
        assert {name: row["reason"] for name, row in obeyed.items()} == {"yes": None, "no": "robots_denied"}
        assert sorted(server.paths()) == sorted([*PATHS, "/yes.jpg"])
        through = fetch_list(tmp_path / "through", {"through": urls["through"]})["through"]
        assert (through["reason"], through["final_url"]) == ("robots_denied", urls["no"])
        ignored = fetch_list(tmp_path / "ignore", urls, obey_robots=False)
        assert {row["reason"] for row in ignored.values()} == {None}
        away = fetch_list(
            tmp_path / "away", {"private": "http://10.0.0.1/a.jpg", "dead": "http://nowhere.invalid/a.jpg"}
        )
        assert {name: row["reason"] for name, row in away.items()} == {
            "private": "private_address",
            "dead": "dns_failure",
        }
        server.put("/robots.txt", b"", status=503)
        assert fetch_list(tmp_path / "down", {"yes": urls["yes"]})["yes"]["reason"] == "robots_unreachable"


def test_what_a_site_says_of_ai_is_heard_before_its_images_are_asked_for(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        server.put("/robots.txt", b"User-agent: GPTBot\nDisallow: /art/\n")
        server.put("/.well-known/tdmrep.json", b'[{"location": "/photos/*", "tdm-reservation": 1}]')
        names = ("art/1", "photos/1", "free/1")
        urls = {name: server.put(f"/{name}.jpg", jpeg()) for name in names}
        urls["through"] = server.url("/redirect-to/302?/photos/1.jpg")
        dropped = fetch_list(tmp_path / "drop", urls)
        assert not {"/art/1.jpg", "/photos/1.jpg"} & {*server.paths()[: server.paths().index("/free/1.jpg")]}
        assert [server.paths().count(path) for path in PATHS] == [1, 1, 1]
        tagged = fetch_list(tmp_path / "tag", urls, optout="tag")
        deaf = fetch_list(tmp_path / "deaf", urls, site_files=False)
    assert {name: row["reason"] for name, row in dropped.items()} == {
        "art/1": "optout", "photos/1": "optout", "free/1": None, "through": "optout",
    }  # fmt: skip
    assert dropped["art/1"]["http_status"] is None and dropped["art/1"]["status"] == "failed_to_download"
    expected = {
        "art/1": ["ai-token|robots.txt|GPTBot"],
        "photos/1": ["tdm-reservation|tdmrep.json|/photos/* 1"],
        "free/1": None,
        "through": ["tdm-reservation|tdmrep.json|/photos/* 1"],
    }
    for found in (dropped, tagged):
        assert {name: row["optout"] for name, row in found.items()} == expected
    assert {row["reason"] for row in tagged.values()} == {row["reason"] for row in deaf.values()} == {None}


def trouble(server: LoopbackServer, closed_port: int) -> dict[str, str]:
    """URLs by the reason that their download must have, and one that is good."""
    whole = jpeg()
    return {
        "good": server.put("/good.jpg", whole, {"Content-Type": "image/jpeg"}),
        "http_error": server.url("/status/404"),
        "private_address": server.url("/redirect-to/302?http://10.0.0.1/a.jpg"),
        "bad_scheme": server.url("/redirect-to/302?file%3A///etc/passwd"),
        "too_many_redirects": server.url("/redirect/9"),
        "truncated_body": server.url("/short"),
        "connection_reset": server.url("/reset/half"),
        "bad_response": server.url("/raw?SSH-2.0-x%0D%0A"),
        "bad_encoding": server.url("/encoded/unknown"),
        "header_flood": server.url("/headers/9/60000"),
        "too_large": server.url("/bytes/500000"),
        "timeout": server.url("/hang"),
        "connect_failure": f"http://127.0.0.1:{closed_port}/a.jpg",
        "dns_failure": "http://nowhere.invalid/a.jpg",
        "truncated_image": server.put("/cut.jpg", whole[: len(whole) // 2]),
        "not_an_image": server.put("/page.jpg", b"<!doctype html><h1>no</h1>"),
        "decode_error": server.put("/noise.jpg", whole[:200] + bytes(400) + b"\xff\xd9"),
        "svg": server.put("/a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
    }


def test_each_failure_is_a_row_with_its_reason_and_steady_words(tmp_path: Path) -> None:
    with LoopbackServer() as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        urls = trouble(server, closed.getsockname()[1])
        more = {"obey_robots": False, "site_files": False, "timeout": 1.0, "max_bytes": 100_000, "concurrency": 4}
        first = fetch_list(tmp_path / "one", urls, **more)
        second = fetch_list(tmp_path / "two", urls, **more | {"concurrency": 64})
    assert {name: row["reason"] or "good" for name, row in first.items()} == {name: name for name in urls}
    assert first == second
    assert set(urls) - {"good"} <= REASONS
    for name, row in first.items():
        said = row["error_message"]
        assert name == "good" or (said.startswith(name) and not re.search(r"\d+ ?ms|millisec|0x[0-9a-f]{6}", said)), (
            said
        )
    assert first["http_error"]["http_status"] == 404 and first["good"]["content_type"] == "image/jpeg"
    keys = {entry.key for entry in tar.scan(tmp_path / "one" / "c" / "shards" / "00000.tar")}
    assert keys == {first["good"]["key"]}


def test_redirects_are_followed_and_told(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        target = server.put("/end.jpg", jpeg())
        (row,) = fetch_list(tmp_path, {"moved": server.url("/redirect-to/301?/end.jpg")}).values()
    assert (row["status"], row["final_url"], row["http_status"]) == ("success", target, 200)


def test_an_endless_header_is_kept_short(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        url = server.put("/a.jpg", jpeg(), {"Content-Type": "image/jpeg;" + "x" * 30_000})
        (row,) = fetch_list(tmp_path, {"a": url}).values()
    assert (
        row["status"] == "success" and row["content_type"].startswith("image/jpeg;") and len(row["content_type"]) == 200
    )


@pytest.mark.parametrize(
    "wrong", [{"encode_format": "png"}, {"contact": "a\nb"}, {"allow_private": ("x",)}, {"connect_to": ("a.test",)}]
)
def test_settings_that_cannot_be_are_refused_before_any_work(tmp_path: Path, wrong: dict[str, Any]) -> None:
    corpus = Corpus.create(tmp_path / "c")
    here(corpus, Import(source=write_list(tmp_path / "list.csv", [("http://a.test/1.jpg", "a")])))
    with pytest.raises(UsageError):
        do(corpus, [Download(**wrong)])
    assert corpus.layer("shards").units() == ()
