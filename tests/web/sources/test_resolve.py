"""What people type as sources, and what strangers put into lists."""

from __future__ import annotations

import gzip
import itertools
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tests.net.server import LoopbackServer
from vlcorpus.errors import SourceError, UsageError, VlcorpusError
from vlcorpus.io.places import shown
from vlcorpus.stages.content import digest_of
from vlcorpus.web.sources.naming import says
from vlcorpus.web.sources.resolve import Reach, Resolved, SourceFile, identity, local, resolve
from vlcorpus.web.sources.tries import Patience

PATH = "crawl-data/CC-MAIN-2024-22/segments/1.2/wat/CC-MAIN-0.warc.wat.gz"


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer() as running:
        yield running


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    store = fsspec.filesystem("memory")
    yield store
    store.store.clear()
    store.pseudo_dirs[:] = [""]


def reach(server: LoopbackServer) -> Reach:
    return Reach(server.manners(), Patience(tries=1), sleep=lambda seconds: None)


def names(found: Resolved) -> list[str]:
    return [file.name for file in found.files]


def put(path: Path, content: str | bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("a.warc", "warc"),
        ("a.WARC.GZ", "warc"),
        ("a.warc.zst", "warc"),
        ("a.warc.lz4", "warc"),
        ("a.wat", "wat"),
        ("a.wat.gz", "wat"),
        ("a.warc.wat.gz", "wat"),
        ("a.wat.warc.gz", "warc"),
        ("a.warc.wet.gz", "wet"),
        ("a.arc.gz", "arc"),
        ("a.txt", "list"),
        ("a.txt.gz", "list"),
        ("a.paths", "list"),
        ("wat.paths.gz", "list"),
        ("a.warc.gz.part", ""),
        ("a.warc/b", ""),
        ("warc", ""),
        ("a.warcs", ""),
        ("a.gz", ""),
        ("", ""),
        (".warc.gz", "warc"),
        ("https://example.org/a.warc.gz?key=b.wat#c.txt", "warc"),
        ("https://example.org/?a.warc.gz", ""),
        ("s3://bucket/x/a.wat.gz", "wat"),
        ("x" * 10_000_000 + ".warc", "warc"),
        ("a.warc\n", ""),
    ],
)
def test_names_say_the_kind(name: str, meaning: str) -> None:
    assert says(name) == meaning


@pytest.mark.parametrize(
    "location",
    [
        "https://me:secret@example.org/a.warc.gz?X-Amz-Signature=secret#secret",
        "https://me:se/cret@example.org/a.warc.gz",
        "https://secret@example.org:8443/@you/a.warc.gz",
        "ftp://me:secret/@example.org/a.warc.gz",
        "s3://AKIA:secret@bucket/a.warc.gz?versionId=secret",
        "s3://me:secret",
        "http://[::1]:80/a.warc.gz?secret",
    ],
)
def test_secrets_are_not_shown(location: str) -> None:
    assert "cret" not in shown(location)
    assert "cret" not in repr(SourceFile(shown(location), location, "warc"))


def test_addresses_without_secrets_are_shown_as_they_are() -> None:
    for location in ("https://example.org:8443/@you/a.warc.gz", "http://[::1]:80/a.wat", "s3://b/a b.wat", "/a?b.wat"):
        assert shown(location) == location


def test_files_seeds_globs_and_folders(tmp_path: Path, server: LoopbackServer) -> None:
    one, two = put(tmp_path / "b.warc.gz"), put(tmp_path / "a.wat")
    put(tmp_path / "folder/z/1.warc"), put(tmp_path / "folder/a.warc.wat.gz"), put(tmp_path / "folder/notes.txt")
    put(tmp_path / "folder/a.warc.wet.gz")
    found = resolve(
        [
            str(one),
            "https://example.org/",
            str(tmp_path / "*.wa*"),
            str(tmp_path / "folder"),
            "https://example.org/sitemap.xml.gz",
            f"file://{two}",
            "https://Example.org:443",
            "https://example.org/more.warc.gz?key=secret#top",
        ],
        network=reach(server),
    )
    assert names(found) == [
        "b.warc.gz",
        "a.wat",
        "a.warc.wat.gz",
        "z/1.warc",
        "https://example.org/more.warc.gz",
    ]
    assert [file.kind for file in found.files] == ["warc", "wat", "wat", "warc", "warc"]
    assert found.seeds == ("https://example.org/", "https://example.org/sitemap.xml.gz")
    assert [local(file) for file in found.files[:2]] == [one, two]
    assert local(found.files[-1]) is None
    assert found.files[-1].location == "https://example.org/more.warc.gz?key=secret"
    assert any("1 WET" in note for note in found.notes)
    assert pickle.loads(pickle.dumps(found)) == found
    assert pickle.loads(pickle.dumps(Reach(server.manners()))) == Reach(server.manners())
    assert server.requests == []


def test_a_file_counts_once_however_it_is_named(
    tmp_path: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    one = put(tmp_path / "one.warc")
    (tmp_path / "link.warc").symlink_to(one)
    put(tmp_path / "list.txt", "one.warc\n./one.warc\nhttps://example.org/a.warc\nHTTPS://EXAMPLE.ORG/a.warc#x\n")
    given = ["one.warc", "./one.warc", str(one), "link.warc", "*.warc", ".", "list.txt", f"file://{one}"]
    for order in itertools.islice(itertools.permutations(given), 0, None, 997):
        found = resolve(order, network=reach(server))
        assert len(found.files) == 2
        assert os.path.samefile(next(file.location for file in found.files if local(file)), one)


def test_a_name_with_magic_characters_is_a_file_if_it_is_there(tmp_path: Path, server: LoopbackServer) -> None:
    put(tmp_path / "a[1].warc"), put(tmp_path / "a1.warc")
    assert names(resolve([str(tmp_path / "a[1].warc")], network=reach(server))) == ["a[1].warc"]
    assert names(resolve([str(tmp_path / "a[12].warc")], network=reach(server))) == ["a1.warc"]


def test_a_name_that_is_not_unicode_is_written_out(tmp_path: Path, server: LoopbackServer) -> None:
    try:
        (tmp_path / os.fsdecode(b"a\xff.warc")).write_bytes(b"x")
    except OSError:
        return  # a file system that has only Unicode names
    found = resolve([str(tmp_path)], network=reach(server))
    assert names(found) == ["a\\xff.warc"]
    assert (local(found.files[0]) or tmp_path).is_file()


def test_a_file_of_unknown_kind_is_for_its_reader_to_judge(tmp_path: Path, server: LoopbackServer) -> None:
    found = resolve([str(put(tmp_path / "stored.gz"))], network=reach(server))
    assert [(file.name, file.kind) for file in found.files] == [("stored.gz", "")]


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        ("example.org", SourceError, "no WARC file at example.org"),
        ("nowhere-*.warc.gz", SourceError, "no WARC file at nowhere"),
        ("", UsageError, "names no file"),
        ("a\0.warc", UsageError, "names no file"),
        ("ftp://example.org/", UsageError, "cannot be crawled: bad_scheme"),
        ("http://", UsageError, "cannot be crawled: bad_url"),
        ("https://me:secret@example.org/a.warc.gz", UsageError, "cannot be crawled: bad_url"),
        ("https://example.org/a.warc.wet.gz", SourceError, "holds no pages"),
        ("s3x://bucket/a.warc.gz", UsageError, "unknown protocol"),
        ("simplecache::https://example.org/a.warc.gz", UsageError, "inside another"),
        ("zip://a.warc::file:///etc/x.zip", UsageError, "inside another"),
        ("reference://a.warc.gz", UsageError, "inside another"),
        ("memory://nothing/*.warc.gz", SourceError, "no WARC file at"),
        ("memory://nothing/files.txt", SourceError, "cannot be fetched: FileNotFoundError"),
        ("pipe:cat a.warc", SourceError, "no WARC file"),
        ("/dev/zero", SourceError, "no WARC file"),
    ],
)
def test_what_cannot_be_a_source(source: str, error: type[VlcorpusError], said: str, server: LoopbackServer) -> None:
    with pytest.raises(error, match=said.replace("(", r"\(")) as raised:
        resolve([source], network=reach(server))
    assert raised.value.hint
    assert "secret" not in f"{raised.value.message} {raised.value.hint}"
    assert server.requests == []


def test_wet_and_arc_files_are_refused_and_said(tmp_path: Path, server: LoopbackServer) -> None:
    with pytest.raises(SourceError) as raised:
        resolve([str(put(tmp_path / "a.warc.wet.gz"))], network=reach(server))
    assert "WAT" in raised.value.hint
    with pytest.raises(SourceError) as raised:
        resolve([str(put(tmp_path / "a.arc.gz"))], network=reach(server))
    assert "ARC" in raised.value.hint
    with pytest.raises(SourceError, match="no WARC file in"):
        resolve([str(tmp_path)], network=reach(server))


@pytest.mark.parametrize(("protocol", "extra"), [("s3", "s3"), ("s3a", "s3"), ("gs", "gs"), ("gcs", "gs")])
def test_a_missing_library_is_named(protocol: str, extra: str) -> None:
    asked = f"""
import sys
sys.modules.update(s3fs=None, gcsfs=None)
from vlcorpus.errors import UsageError
from vlcorpus.net.response import Manners
from vlcorpus.web.sources.resolve import Reach, resolve
try:
    resolve(["{protocol}://bucket/a.warc.gz"], network=Reach(Manners(user_agent="test")))
except UsageError as error:
    print(error.message, "|", error.hint)
"""
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert said == f"{protocol}:// needs a library that is not installed | pip install 'vlcorpus[{extra}]'\n"


def test_nothing_heavy_is_loaded_for_files_here(tmp_path: Path) -> None:
    path = put(tmp_path / "a.warc")
    asked = f"""
import sys
from vlcorpus.net.response import Manners
from vlcorpus.web.sources.resolve import Reach, resolve
resolve(["{path}"], network=Reach(Manners(user_agent="test")))
print(sorted({{"fsspec", "pycurl", "s3fs", "numpy", "pyarrow"}} & set(sys.modules)))
"""
    said = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert said == "[]\n"


# --- lists ---


@pytest.mark.parametrize("packed", [False, True])
def test_a_list_of_ones_own(tmp_path: Path, server: LoopbackServer, packed: bool) -> None:
    put(tmp_path / "lists/a.warc"), put(tmp_path / "b.wat")
    content = (
        f"\ufeffa.warc\r\n# a comment\r\n\r\n  ../b.wat  \n{PATH}\nhttps://example.org/c.warc.gz\n"
        f"memory://d.wat\nhttps://example.org/page\n{tmp_path}/b.wat\nfile://{tmp_path}/b.wat"
    ).encode()
    path = put(
        tmp_path / ("lists/mine.txt.gz" if packed else "lists/mine.paths"),
        gzip.compress(content) if packed else content,
    )
    found = resolve([str(path)], network=reach(server), base_url="https://mirror.example/cc/")
    assert names(found) == ["a.warc", "b.wat", PATH, "https://example.org/c.warc.gz", "memory://d.wat"]
    assert found.files[2] == SourceFile(PATH, f"https://mirror.example/cc/{PATH}", "wat", settled=True)
    assert found.seeds == ("https://example.org/page",)


@pytest.mark.parametrize(
    "line",
    [
        b"nowhere.warc",
        b"pipe:cat x.warc",
        b"other.txt",
        b"https://example.org/more.paths.gz",
        b"a\0b.warc",
        b"\xff\xfe.warc",
        b"a.warc\x1b[31m",
        b"x" * 10_000_000,
        b"x" * 8_193,
        b"crawl-data/../../etc/x.warc.gz",
        b"crawl-data//x.warc.gz",
        b"crawl-data/x.warc.wet.gz",
        b"https://me:secret@example.org/a.warc.gz",
        b"http://\xc0\x80/",
        b"simplecache::memory://a.warc",
        b"nosuch://a.warc",
        b"*.warc",
        b"/etc",
        b"cc:CC-MAIN-2024-22",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, server: LoopbackServer, line: bytes, packed: bool) -> None:
    put(tmp_path / "a.warc")
    content = b"a.warc\n\n" + line + b"\na.warc\n"
    path = put(tmp_path / "l.txt", gzip.compress(content) if packed else content)
    with pytest.raises(SourceError, match=r"line 3 of .*l\.txt") as raised:
        resolve([str(path)], network=reach(server))
    assert len(raised.value.message) < 1000
    assert "secret" not in raised.value.message


def test_a_damaged_list_is_said_and_empty_ones_name_nothing(tmp_path: Path, server: LoopbackServer) -> None:
    whole = gzip.compress("\n".join(f"https://example.org/{n}.warc" for n in range(9999)).encode())
    for content in (whole[:-2000], whole[:500] + b"\0" * 99 + whole[500:], b"\x1f\x8b"):
        with pytest.raises(SourceError, match="damaged"):
            resolve([str(put(tmp_path / "l.paths.gz", content))], network=reach(server))
    assert resolve([str(put(tmp_path / "l.txt", b"\n# nothing\n"))], network=reach(server)) == Resolved((), ())


def test_a_bomb_of_lines_is_given_up(tmp_path: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vlcorpus.web.sources.source_lists.MAX_LINES", 1000)
    with pytest.raises(SourceError, match="more than 1,000 lines"):
        resolve([str(put(tmp_path / "l.txt.gz", gzip.compress(b"\n" * 10_000_000)))], network=reach(server))
    with pytest.raises(SourceError, match="line 1 of"):
        resolve([str(put(tmp_path / "l.txt.gz", gzip.compress(b" " * 50_000_000)))], network=reach(server))


def test_a_fetched_list_names_addresses_and_what_is_beside_it(server: LoopbackServer) -> None:
    lines = [PATH, "a.warc.gz", "../b.wat.gz", "/c.warc", "//other.test/d.warc", "https://example.org/page"]
    server.put("/x/y/my.paths.gz", gzip.compress("\n".join(lines).encode()))
    found = resolve(
        [server.url("/x/y/my.paths.gz", host="site.test")], network=reach(server), base_url="s3://commoncrawl"
    )
    site = f"http://site.test:{server.port}"
    assert [file.location for file in found.files] == [
        f"s3://commoncrawl/{PATH}",
        f"{site}/x/y/a.warc.gz",
        f"{site}/x/b.wat.gz",
        f"{site}/c.warc",
        "http://other.test/d.warc",
    ]
    assert found.seeds == ("https://example.org/page",)


@pytest.mark.parametrize(
    "line",
    [
        "file:///etc/passwd",
        "file:///etc/a.warc",
        "file:a.warc",
        "FILE:///etc/a.warc",
        "local:///etc/a.warc",
        "memory://a.warc",
        "s3://bucket/a.warc",
        "pipe:cat /etc/passwd; echo a.warc",
        "pipe:a.warc",
        "simplecache::file:///etc/a.warc",
        "data:text/plain,a.warc",
        "c:/a.warc",
        "cc:CC-MAIN-2024-22",
        "<!doctype html><title>Not here</title>",
        "other.paths.gz",
        "https://example.org/other.paths.gz",
        "a.warc.wet.gz",
        "crawl-data/../a.warc",
    ],
)
def test_a_fetched_list_names_nothing_of_this_machine(line: str, server: LoopbackServer) -> None:
    server.put("/my.paths", f"a.warc\n{line}\n".encode())
    with pytest.raises(SourceError, match="line 2 of") as raised:
        resolve([server.url("/my.paths")], network=reach(server))
    assert raised.value.hint


@pytest.mark.parametrize(
    "line",
    ["file:///etc/a.warc", "/etc/a.warc", "../../a.warc", "a/../../b.warc", "pipe:a.warc", "s3://b/a.warc", "page"],
)
def test_a_list_in_a_store_names_what_is_in_the_store(
    line: str, server: LoopbackServer, memory: fsspec.AbstractFileSystem
) -> None:
    memory.pipe("/x/my.txt", b"a.warc\nmore/b.wat.gz\nmemory://y/c.warc\nhttps://example.org/d.warc\n")
    found = resolve(["memory://x/my.txt"], network=reach(server))
    assert [file.location for file in found.files] == [
        "memory://x/a.warc",
        "memory://x/more/b.wat.gz",
        "memory://y/c.warc",
        "https://example.org/d.warc",
    ]
    memory.pipe("/x/my.txt", f"a.warc\n{line}\n".encode())
    with pytest.raises(SourceError, match=r"line 2 of memory://x/my\.txt"):
        resolve(["memory://x/my.txt"], network=reach(server))


def test_patterns_of_a_store(server: LoopbackServer, memory: fsspec.AbstractFileSystem) -> None:
    for name in ("b.warc.gz", "a.warc.gz", "c.txt", "c.wat"):
        memory.pipe(f"/x/{name}", b"1.warc" if name == "c.txt" else b"x")
    found = resolve(["memory://x/*"], network=reach(server))
    assert [file.location for file in found.files] == [
        "memory:///x/a.warc.gz",
        "memory:///x/b.warc.gz",
        "memory:///x/1.warc",
        "memory:///x/c.wat",
    ]


def test_private_addresses_are_not_asked_for_lists(server: LoopbackServer) -> None:
    server.put("/my.paths", b"a.warc")
    with pytest.raises(SourceError, match="private_address") as raised:
        resolve([server.url("/my.paths")], network=Reach(server.manners(allow_private=())))
    assert "--allow-private" in raised.value.hint
    assert server.requests == []


def test_random_lists_give_files_or_a_source_error(tmp_path: Path, server: LoopbackServer) -> None:
    draw = random.Random(7)
    pieces = [
        b"a.warc",
        b"http://",
        b"//",
        b"..",
        b"::",
        b"file:",
        b"s3:",
        b"\n",
        b"\r",
        b"\0",
        b"%2e",
        b"[",
        b"@",
        b"\xff",
    ]
    pieces += [b"crawl-data/", b".gz", b"#", b"?", b" ", b"\xe2\x80\xae", b"\x1f\x8b", b"memory://", b"/", b".paths"]
    put(tmp_path / "a.warc")
    for _ in range(2000):
        content = b"".join(draw.choices(pieces, k=draw.randrange(8)))
        put(tmp_path / "l.txt", content)
        server.put("/l.paths", content)
        for source in (str(tmp_path / "l.txt"), server.url("/l.paths")):
            try:
                found = resolve([source], network=reach(server))
            except SourceError as error:
                assert error.message
                continue
            if source.startswith("http"):
                assert not any(local(file) for file in found.files)


# --- identity ---


def test_a_local_file_is_named_by_its_bytes(tmp_path: Path, server: LoopbackServer) -> None:
    path = put(tmp_path / "a.warc", b"bytes")
    (file,) = resolve([str(path)], network=reach(server)).files
    assert identity(file, network=reach(server)) == digest_of(path)
    path.unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        identity(file, network=reach(server))


def test_a_remote_file_is_named_by_what_its_server_tells(server: LoopbackServer) -> None:
    def told(body: bytes, **headers: str) -> str:
        url = server.put("/a.warc", body, {name.replace("_", "-"): value for name, value in headers.items()})
        return identity(SourceFile("a.warc", url, "warc"), network=reach(server))

    first = told(b"12345", ETag='"a"')
    assert told(b"12345", ETag='"a"', Last_Modified="Thu, 01 Jan 1970 00:01:40 GMT") == first
    others = [
        told(b"12345", ETag='"b"'),
        told(b"123456", ETag='"a"'),
        told(b"12345", Last_Modified="Thu, 01 Jan 1970 00:01:40 GMT"),
        told(b"12345", Last_Modified="Thu, 01 Jan 1970 00:01:41 GMT"),
        told(b"12345"),
    ]
    assert len({first, *others}) == 6
    assert {request.method for request in server.requests} == {"GET"}
    assert {request.headers["range"] for request in server.requests} == {"bytes=0-0"}


def test_a_common_crawl_file_is_named_without_asking(server: LoopbackServer) -> None:
    file = SourceFile(PATH, server.url("/" + PATH), "wat", settled=True)
    assert identity(file, network=reach(server)) == f"cc:{PATH}"
    assert server.requests == []
