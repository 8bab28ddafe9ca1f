"""img2dataset as an engine: each row asked for has one outcome, whatever the tool, a server or a damaged file does."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.main import get_command

from tests.images.drawn import photo, saved
from tests.net.server import LoopbackServer
from vlcorpus import schema, spec
from vlcorpus.cli.main import app
from vlcorpus.errors import UsageError, VlcorpusError
from vlcorpus.io import tar
from vlcorpus.stages import engine_img2dataset
from vlcorpus.stages import engine_img2dataset_run as running
from vlcorpus.stages.download import Download
from vlcorpus.stages.engine_img2dataset import (
    Img2DatasetSettings,
    check,
    check_settings,
    fetch_with_img2dataset,
    refused_hosts,
    settings_of,
)
from vlcorpus.stages.engine_img2dataset_left import outcomes_of
from vlcorpus.stages.outcome import Outcome

pytest.importorskip("img2dataset")

LOOPBACK = ("127.0.0.0/8",)
SETTINGS = Img2DatasetSettings(
    image_size=64, resize_mode="center_crop", min_image_size=20, thread_count=4, retries=0, timeout=20.0,
    allow_private=LOOPBACK,
)  # fmt: skip
JPEG = saved(photo(1), "JPEG")
CUT = JPEG[: len(JPEG) // 2]


@dataclass(frozen=True)
class Ran:
    """One run: what was asked, what came, and the files that the tool left."""

    urls: dict[int, str]
    outcomes: dict[int, Outcome]
    out: Path
    agents: list[str]


def body_of(outcome: Outcome) -> bytes:
    (body,) = outcome.members.values()
    return body


def run(urls: dict[int, str], settings: Img2DatasetSettings, scratch: Path) -> dict[int, Outcome]:
    scratch.mkdir()
    found = list(fetch_with_img2dataset(urls, settings, scratch))
    assert sorted(number for number, _ in found) == sorted(urls)
    return dict(found)


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as server:
        yield server


@pytest.fixture(scope="module")
def ran(server: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    def path(name: str, body: bytes, headers: dict[str, str] | None = None) -> str:
        return server.put(f"/{name}", body, headers)

    good = path("good.jpg", JPEG)
    urls = {
        3: good,
        4: server.url("/status/404"),
        7: path("noai.jpg", JPEG, {"X-Robots-Tag": "noai"}),
        8: path("other.jpg", JPEG, {"X-Robots-Tag": "otherbot: noai"}),
        9: path("ours.jpg", JPEG, {"X-Robots-Tag": "vlcorpus: noml"}),
        11: path("page.jpg", b"<html>no picture</html>", {"Content-Type": "image/jpeg"}),
        12: path("small.png", saved(photo(2, 40, 10), "PNG")),
        13: good,
        14: server.url("/short"),
        15: server.url("/close"),
        16: "http://127.0.0.1:1/refused.jpg",
        17: path("exif.jpg", exif_jpeg()),
        18: path("cut.jpg", CUT),
        2_000_000: path("alpha.png", saved(alpha(), "PNG")),
    }
    scratch = tmp_path_factory.mktemp("engine") / "first"
    outcomes = run(urls, SETTINGS, scratch)
    agents = [request.headers["user-agent"] for request in server.requests]
    return Ran(urls, outcomes, scratch / "out", agents)


def alpha() -> np.ndarray:
    return np.dstack([photo(3), np.full((120, 160), 128, np.uint8)])


def exif_jpeg() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "ACME"
    out = io.BytesIO()
    Image.fromarray(photo(4)).save(out, "JPEG", exif=exif)
    return out.getvalue()


def test_what_came_and_why_not(ran: Ran) -> None:
    assert {number: each.row["reason"] for number, each in ran.outcomes.items()} == {
        3: None,
        4: "http_error",
        7: "optout",
        8: None,
        9: "optout",
        11: "decode_error",
        12: "image_too_small",
        13: None,
        14: "truncated_body",
        15: "connection_reset",
        16: "connect_failure",
        17: None,
        18: "decode_error" if cv2.imdecode(np.frombuffer(CUT, np.uint8), cv2.IMREAD_UNCHANGED) is None else None,
        2_000_000: None,
    }
    for each in ran.outcomes.values():
        assert bool(each.members) == (each.row["status"] == "success") == (each.row["reason"] is None)
    assert ran.outcomes[4].row == {
        "status": "failed_to_download",
        "reason": "http_error",
        "error_message": "HTTP Error 404: Status",
        "http_status": 404,
    }
    assert ran.outcomes[12].row["status"] == "failed_to_resize"
    assert ran.outcomes[12].row["error_message"] == "image too small"
    assert all("vlcorpus" in agent for agent in ran.agents)


def test_an_image_is_what_its_row_says(ran: Ran) -> None:
    for number in (3, 8, 13, 17, 2_000_000):
        row = ran.outcomes[number].row
        assert (row["width"], row["height"], row["original_width"], row["original_height"]) == (64, 64, 160, 120)
        with Image.open(io.BytesIO(body_of(ran.outcomes[number]))) as image:
            assert (image.format, image.size) == ("JPEG", (64, 64))
    assert ran.outcomes[3] == ran.outcomes[13]
    assert ran.outcomes[3].row["sha256"] == hashlib.sha256(JPEG).hexdigest()
    assert ran.outcomes[3].row["exif"] is None
    assert '"Image Make": "ACME"' in ran.outcomes[17].row["exif"]


def test_columns_are_those_of_shards(ran: Ran) -> None:
    known = {column.name for column in schema.table("shards").columns}
    assert {name for each in ran.outcomes.values() for name in each.row} <= known


def test_a_second_run_gives_the_same(ran: Ran, tmp_path: Path) -> None:
    """With one thread, and so in another order."""
    assert run(ran.urls, replace(SETTINGS, thread_count=1, patience=500.0), tmp_path / "again") == ran.outcomes


def test_untouched_bytes_are_judged_here(tmp_path: Path) -> None:
    """With disable_all_reencoding img2dataset calls anything an image, names it by its setting, and tells no sizes."""
    png, wide = saved(photo(5, 40, 30), "PNG"), saved(photo(6, 90, 30), "JPEG")
    bodies = [JPEG, png, CUT, b"<html>", b"", saved(photo(7, 40, 10), "GIF"), wide, saved(photo(8), "GIF")]
    with open(tmp_path / "00000.tar", "wb") as file:
        writer = tar.ShardWriter(file)
        for number, body in enumerate(bodies):
            told = {"vlcorpus_row": number, "status": "success", "original_width": None, "exif": "{}", "sha256": "?"}
            writer.add(f"{number}", {"jpg": body, "json": json.dumps(told).encode()})
        writer.close()
    settings = Img2DatasetSettings(image_size=None, min_image_size=20, max_aspect_ratio=2.5)
    found = dict(outcomes_of(dict.fromkeys(range(len(bodies)), ""), settings, tmp_path))
    assert [found[number].row["reason"] for number in range(len(bodies))] == [
        None,
        None,
        "truncated_image",
        "not_an_image",
        "not_an_image",
        "image_too_small",
        "aspect_ratio_too_large",
        None,
    ]
    assert found[0].members == {"jpg": JPEG}
    assert found[1].members == {"png": png}
    assert set(found[7].members) == {"gif"}
    assert found[1].row == {
        "status": "success", "error_message": None, "reason": None, "width": 40, "height": 30,
        "original_width": 40, "original_height": 30, "exif": None, "sha256": None,
    }  # fmt: skip


def left(ran: Ran, out: Path) -> dict[int, Outcome]:
    found = list(outcomes_of(ran.urls, SETTINGS, out))
    assert sorted(number for number, _ in found) == sorted(ran.urls)
    return dict(found)


def lost(outcomes: dict[int, Outcome]) -> set[int]:
    return {number for number, each in outcomes.items() if each.row["reason"] == "lost_by_engine"}


def test_reading_again_gives_the_same(ran: Ran) -> None:
    assert left(ran, ran.out) == ran.outcomes


def test_rows_of_a_cut_tar_are_lost_one_by_one(ran: Ran, tmp_path: Path) -> None:
    """Cut anywhere: what stands before the cut is there, all that it held after is lost, errors stay."""
    shutil.copytree(ran.out, tmp_path / "out")
    path = tmp_path / "out" / "00000.tar"
    whole = path.read_bytes()
    images = {number for number, each in ran.outcomes.items() if each.members}
    counts = []
    for length in range(0, len(whole) + 1, len(whole) // 40):
        path.write_bytes(whole[:length])
        found = left(ran, tmp_path / "out")
        assert lost(found) <= images
        assert {number: each for number, each in found.items() if number not in lost(found)} == {
            number: each for number, each in ran.outcomes.items() if number not in lost(found)
        }
        counts.append(len(lost(found)))
    assert counts[0] == len(images)
    assert counts == sorted(counts, reverse=True)


def test_without_a_table_images_stay_and_errors_are_lost(ran: Ran, tmp_path: Path) -> None:
    shutil.copytree(ran.out, tmp_path / "out")
    table = tmp_path / "out" / "00000.parquet"
    errors = {number for number, each in ran.outcomes.items() if not each.members}
    table.write_bytes(table.read_bytes()[:-8])
    assert lost(left(ran, tmp_path / "out")) == errors
    table.unlink()
    assert lost(left(ran, tmp_path / "out")) == errors
    (tmp_path / "out" / "00000.tar").unlink()
    assert lost(left(ran, tmp_path / "out")) == set(ran.urls)


def test_samples_that_nobody_asked_for_are_left_out(ran: Ran, tmp_path: Path) -> None:
    """Strange numbers, no numbers, a second sample of a row, and a row that both files claim."""
    out = tmp_path / "out"
    shutil.copytree(ran.out, out)
    sample = next(tar.read_samples(ran.out / "00000.tar"))
    texts = [b"", b"[]", b"[" * 100_000, b'{"status": "success"}', b'{"status": "success", "vlcorpus_row": "3"}']
    texts += [b'{"status": "success", "vlcorpus_row": %d}' % number for number in (5, -1, 3, 3, 4)]
    with open(out / "00000.tar", "wb") as file:
        writer = tar.ShardWriter(file)
        for number, text in enumerate(texts):
            writer.add(f"{number}", {"jpg": sample.members["jpg"], "json": text})
        writer.close()
    found = left(ran, out)
    assert {number for number, each in found.items() if each.members} == {3, 4}
    assert lost(found) == {number for number, each in ran.outcomes.items() if each.members} - {3}


def test_nothing_of_the_tool_stands_in_the_way_of_the_next(ran: Ran) -> None:
    assert sorted(path.name for path in ran.out.iterdir()) == ["00000.parquet", "00000.tar", "00000_stats.json"]
    assert pq.read_table(ran.out.parent / "list.parquet").column("vlcorpus_row").to_pylist() == sorted(ran.urls)


def test_hosts_that_are_not_public_are_refused_before(tmp_path: Path, server: LoopbackServer) -> None:
    before = len(server.requests)
    names = ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "169.254.169.254", "10.0.0.1")
    urls = {number: f"http://{name}:{server.port}/good.jpg" for number, name in enumerate(names)}
    urls[99] = "http://no-such-host.invalid/a.jpg"
    outcomes = run(urls, Img2DatasetSettings(), tmp_path / "s")
    assert {each.row["reason"] for number, each in outcomes.items() if number != 99} == {"private_address"}
    assert outcomes[99].row["reason"] == "dns_failure"
    assert {each.row["status"] for each in outcomes.values()} == {"failed_to_download"}
    assert len(server.requests) == before
    assert list((tmp_path / "s").iterdir()) == []


def test_what_a_person_allows_is_not_refused() -> None:
    urls = {0: "http://127.0.0.1/a.jpg", 1: "http://10.1.2.3/a.jpg"}
    assert [number for number, *_ in refused_hosts(urls, ("127.0.0.0/8",))] == [1]
    assert list(refused_hosts({**urls, 2: "http://no-such-host.invalid/"}, ("0.0.0.0/0", "::/0"))) == []


def test_no_url_starts_nothing(tmp_path: Path) -> None:
    assert run({}, SETTINGS, tmp_path / "s") == {}
    assert list((tmp_path / "s").iterdir()) == []


@pytest.mark.parametrize("module", ["img2dataset", "imghdr"])
def test_a_package_that_is_not_there(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError) as caught:
        next(fetch_with_img2dataset({0: "http://127.0.0.1/"}, SETTINGS, tmp_path))
    assert "pip install 'vlcorpus[img2dataset]'" in caught.value.hint


@pytest.mark.parametrize(
    "wrong",
    [
        {"encode_format": "gif"},
        {"encode_format": "png", "encode_quality": 95},
        {"allow_private": ("home",)},
        {"user_agent_token": "a\r\nCookie: b"},
        {"user_agent_token": "é"},
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        check_settings(Img2DatasetSettings(**wrong))


def test_settings_of_the_stage() -> None:
    stage = Download(engine="img2dataset", image_size=256, resize_mode="border", only_if_bigger=False, concurrency=7)
    check(stage)
    assert settings_of(stage) == Img2DatasetSettings(
        image_size=256, resize_mode="border", resize_only_if_bigger=False, thread_count=7
    )
    assert settings_of(Download(optout="tag")).disallowed_header_directives == ()
    assert settings_of(Download(image_size=None)).keeps_bytes
    assert settings_of(Download(allow_private=LOOPBACK)).allow_private == LOOPBACK


@pytest.mark.parametrize(
    "wrong",
    [
        {"blocklist": ("bad.txt",)},
        {"verify_hash": ("hash", "md5")},
        {"blur_column": "boxes"},
        {"max_bytes": 1000},
        {"delay": 1.0},
        {"pixels": "fast"},
        {"encode_format": "png"},
    ],
)
def test_what_the_engine_cannot_do_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        check(Download(engine="img2dataset", **wrong))


def test_a_package_that_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it says first is told: later errors follow from that one."""
    broken = tmp_path / "site" / "img2dataset"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("print('a line')\nraise ImportError('libGL.so.1: cannot open shared object')\n")
    monkeypatch.setenv("PYTHONPATH", str(broken.parent))
    (tmp_path / "s").mkdir()
    with pytest.raises(VlcorpusError, match=r"exit code 1: ImportError: libGL\.so\.1"):
        list(fetch_with_img2dataset({0: "http://127.0.0.1/"}, SETTINGS, tmp_path / "s"))


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    """Its lifeline is cut while it imports, and it takes its group along."""
    (tmp_path / "job.json").write_text("{}")
    with open(tmp_path / "log", "wb") as log, running.start("job.json", tmp_path, log.fileno()) as process:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == -signal.SIGKILL


SLEEPERS = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "input()"])
sys.stdout.write("x")
sys.stdout.flush()
input()
"""


def test_who_writes_nothing_more_is_ended_with_its_children(tmp_path: Path) -> None:
    """The children hold the write end of the pipe: it ends when the last of them does."""
    reader, writer = os.pipe()
    try:
        with subprocess.Popen(
            (sys.executable, "-c", SLEEPERS), stdin=subprocess.PIPE, stdout=writer, start_new_session=True
        ) as process:
            os.close(writer)
            assert os.read(reader, 1) == b"x"
            assert running.wait(process, tmp_path, 0.05) is False
            running.end_group(process)
            assert os.read(reader, 1) == b""
            assert process.returncode == -signal.SIGKILL
    finally:
        os.close(reader)


def test_who_ends_by_itself_is_waited_for(tmp_path: Path) -> None:
    with subprocess.Popen((sys.executable, "-c", "raise SystemExit(3)"), start_new_session=True) as process:
        assert running.wait(process, tmp_path, 600.0) is True
        assert process.returncode == 3
        running.end_group(process)


def test_every_setting_of_download_has_its_meaning_here() -> None:
    names = {each.name for each in spec.settings_of(Download)}
    assert names >= engine_img2dataset._NOT_HERE
    elsewhere = {
        "only_if_bigger", "concurrency", "optout", "pixels", "engine", "obey_robots", "site_files", "decision",
        "retry_failed", "max_disk", "shards_at_once",
    }  # fmt: skip
    assert names == {*engine_img2dataset._NOT_HERE, *engine_img2dataset._SAME_NAME, *elsewhere}


def test_the_docs_say_what_becomes_of_every_parameter() -> None:
    package = importlib.util.find_spec("img2dataset")
    assert package is not None and package.origin is not None
    source = ast.parse((Path(package.origin).parent / "main.py").read_text("utf-8"))
    (download,) = (each for each in source.body if isinstance(each, ast.FunctionDef) and each.name == "download")
    page = (Path(__file__).resolve().parents[2] / "docs" / "download.md").read_text("utf-8")
    rows = [
        line.split("|")[1] for line in page.partition("## From img2dataset's options")[2].splitlines() if "|" in line
    ]
    told = [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)]
    assert sorted({each.arg for each in download.args.args} | {"ignore_ssl_certificate"}) == sorted(told)
    options = {name for each in get_command(app).commands.values() for one in each.params for name in one.opts}
    assert set(re.findall(r"`(--[a-z0-9-]+)", page)) - {"--no-obey-robots", "--no-site-files"} <= options
