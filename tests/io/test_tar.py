from __future__ import annotations

import gzip
import hashlib
import io
import os
import pickle
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import webdataset

from vlcorpus.errors import SourceError, VlcorpusError
from vlcorpus.io.tar import Entry, Sample, ShardWriter, TarDamaged, read_at, read_members, read_samples, scan

Pairs = dict[str, dict[str, bytes]]


def drawn(count: int = 100, seed: int = 0) -> Pairs:
    rng = np.random.default_rng(seed)
    return {
        f"{index:09}": {
            "jpg": rng.bytes(int(rng.integers(0, 3000))),
            "json": f'{{"index": {index}}}'.encode(),
            "txt": "ein Käfer".encode() * int(rng.integers(0, 200)),
        }
        for index in range(count)
    }


def shard(pairs: Pairs) -> bytes:
    file = io.BytesIO()
    writer = ShardWriter(file)
    for key, members in pairs.items():
        writer.add(key, members)
    writer.close()
    return file.getvalue()


def read(path: Path) -> Pairs:
    return {sample.key: sample.members for sample in read_samples(path)}


def foreign(path: Path, names: Iterable[tuple[str, bytes]], format: int = tarfile.PAX_FORMAT, **fields: object) -> Path:
    with tarfile.open(path, "w", format=format) as tar:
        for name, body in names:
            member = tarfile.TarInfo(name)
            member.size = len(body)
            for field, value in fields.items():
                setattr(member, field, value)
            tar.addfile(member, io.BytesIO(body))
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "00000.tar"
    path.write_bytes(shard(drawn()))
    return path


def test_what_is_written_is_read(good: Path) -> None:
    pairs = drawn()
    samples = list(read_samples(good))
    assert [sample.key for sample in samples] == list(pairs)
    assert samples[0] == Sample("000000000", pairs["000000000"], 0)
    assert read(good) == pairs
    with good.open("rb") as file:
        for sample in samples:
            file.seek(sample.offset)
            assert file.read(13) == f"{sample.key}.jpg".encode()


def test_tarfile_reads_the_same(good: Path) -> None:
    pairs = drawn()
    with tarfile.open(good) as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == [
            f"{key}.{end}" for key in pairs for end in ("jpg", "json", "txt")
        ]
        for member in members:
            key, _, extension = member.name.partition(".")
            file = tar.extractfile(member)
            assert file is not None and file.read() == pairs[key][extension]
            assert (member.mode, member.uid, member.gid, member.uname, member.gname) == (0o444, 0, 0, "", "")
            assert member.mtime == 0 and member.isreg() and not member.pax_headers


def test_the_bytes_are_those_of_tarfile(good: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for key, members in drawn().items():
            for extension, body in members.items():
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size, member.mode = len(body), 0o444
                tar.addfile(member, io.BytesIO(body))
    assert out.getvalue().rstrip(b"\0") == good.read_bytes().rstrip(b"\0")


def test_webdataset_reads_the_same(good: Path) -> None:
    pairs = drawn()
    found = {sample["__key__"]: sample for sample in webdataset.WebDataset(str(good), shardshuffle=False)}
    assert list(found) == list(pairs)
    assert all(found[key][extension] == body for key in pairs for extension, body in pairs[key].items())


def test_the_same_samples_give_the_same_bytes() -> None:
    pairs = drawn(20)
    backwards = {key: dict(reversed(members.items())) for key, members in pairs.items()}
    assert hashlib.sha256(shard(pairs)).digest() == hashlib.sha256(shard(backwards)).digest()


def test_places_lead_to_payloads(good: Path) -> None:
    pairs = drawn()
    file = io.BytesIO()
    writer = ShardWriter(file)
    places = {key: writer.add(key, members) for key, members in pairs.items()}
    entries = scan(good)
    assert entries == [Entry(key, end, *place) for key in pairs for end, place in places[key].items()]
    for entry in entries[::17]:
        assert read_at(good, entry.offset, entry.length) == pairs[entry.key][entry.extension]
    with pytest.raises(TarDamaged, match="10 bytes wanted, 4 there"):
        read_at(good, good.stat().st_size - 4, 10)


def test_only_the_wanted_members_are_read(good: Path) -> None:
    pairs = drawn()
    found = list(read_members(good, keys={"000000007", "000000050"}, extensions={"txt"}))
    assert [(entry.key, entry.extension, body) for entry, body in found] == [
        (key, "txt", pairs[key]["txt"]) for key in ("000000007", "000000050")
    ]
    assert len(list(read_members(good, extensions={"json"}))) == 100


@pytest.mark.parametrize("key", ["", "a.b", "a/b", "../a", "ä", "a b", "a\n", "x" * 99])
def test_impossible_keys(key: str) -> None:
    with pytest.raises(ValueError, match=r"key|name"):
        ShardWriter(io.BytesIO()).add(key, {"jpg": b""})


def test_impossible_members() -> None:
    file = io.BytesIO()
    writer = ShardWriter(file)
    writer.add("a", {"jpg": b"1"})
    size = len(file.getvalue())
    for key, extension in (("a", "jpg"), ("b", "JPG"), ("b", "../jpg"), ("b", "")):
        with pytest.raises(ValueError, match=r"key|extension"):
            writer.add(key, {"txt": b"", extension: b""})
    assert len(file.getvalue()) == size


# --- damage -----------------------------------------------------------------------------------------------------------


def half(body: bytes) -> bytes:
    return body[: len(body) // 2 + 100]


def at_a_block(body: bytes) -> bytes:
    """Just before the header of sample 50: webdataset ends there and says nothing."""
    return body[: body.index(b"000000050.jpg")]


def header_of_ones(body: bytes) -> bytes:
    at = body.index(b"000000050.jpg")
    return body[:at] + b"\xff" * 512 + body[at + 512 :]


def header_of_zeros(body: bytes) -> bytes:
    at = body.index(b"000000050.jpg")
    return body[:at] + bytes(512) + body[at + 512 :]


def two_blocks_of_zeros(body: bytes) -> bytes:
    at = body.index(b"000000050.jpg")
    return body[:at] + bytes(1024) + body[at:]


def by_type(_: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for extension in ("jpg", "json", "txt"):
            for key, members in drawn(10).items():
                member = tarfile.TarInfo(f"{key}.{extension}")
                member.size = len(members[extension])
                tar.addfile(member, io.BytesIO(members[extension]))
    return out.getvalue()


def without_an_end(body: bytes) -> bytes:
    return body[:-1024]


def half_an_end(body: bytes) -> bytes:
    return body[:-512]


def dotted_keys(_: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for version in range(3):
            for extension in ("jpg", "txt"):
                tar.addfile(tarfile.TarInfo(f"img.v{version}.{extension}"))
    return out.getvalue()


def twice(body: bytes) -> bytes:
    return body[:-1024] + body


def concatenated(body: bytes) -> bytes:
    return body + body


DAMAGE: dict[Callable[[bytes], bytes], str] = {
    half: "cut inside",
    at_a_block: "without an end mark",
    without_an_end: "without an end mark",
    half_an_end: "without a whole end mark",
    header_of_ones: "no valid header",
    header_of_zeros: "zeros before the end",
    two_blocks_of_zeros: "after the end mark",
    concatenated: "after the end mark",
    by_type: "do not stand together",
    twice: "do not stand together",
    dotted_keys: "a second 'jpg' of 'img'",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_placed(good: Path, damage: Callable[[bytes], bytes]) -> None:
    good.write_bytes(damage(good.read_bytes()))
    with pytest.raises(TarDamaged, match=DAMAGE[damage]) as caught:
        list(read_samples(good))
    error = caught.value
    assert isinstance(error, VlcorpusError) and error.hint
    assert error.shard == str(good) and str(good) in error.message
    assert 0 <= error.offset <= good.stat().st_size
    again = pickle.loads(pickle.dumps(error))
    assert (again.shard, again.offset, again.message, again.hint) == (
        error.shard,
        error.offset,
        error.message,
        error.hint,
    )
    if damage is not dotted_keys:
        with pytest.raises(TarDamaged, match=DAMAGE[damage]):
            scan(good)


def test_every_cut_is_found(good: Path) -> None:
    body = shard(drawn(3))
    for size in range(0, len(body), 128):
        good.write_bytes(body[:size])
        with pytest.raises(TarDamaged):
            list(read_samples(good))
        with pytest.raises(TarDamaged):
            scan(good)


def test_what_was_whole_before_the_damage_is_given(good: Path) -> None:
    good.write_bytes(half(good.read_bytes()))
    found = []
    with pytest.raises(TarDamaged):
        found.extend(sample.key for sample in read_samples(good))  # keeps what came before the error
    assert found == sorted(drawn())[: len(found)] and len(found) > 30


# --- strangers' tars --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_formats_of_strangers(tmp_path: Path, format: int) -> None:
    long = "d" * 90 + "/" + "k" * 60 if format == tarfile.USTAR_FORMAT else "d" * 150 + "/" + "ü" * 160
    names = [(f"{long}.jpg", b"1" * 700), (f"{long}.JSON", b"{}"), ("./0002.jpg", b"2"), ("0002.seg.png", b"3")]
    path = foreign(tmp_path / "a.tar", names, format, mtime=1.5 if format == tarfile.PAX_FORMAT else 1)
    assert read(path) == {long: {"jpg": b"1" * 700, "json": b"{}"}, "0002": {"jpg": b"2", "seg.png": b"3"}}


def test_what_is_no_sample_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        directory = tarfile.TarInfo("images")
        directory.type = tarfile.DIRTYPE
        tar.addfile(directory)
        for name in ("README", "images/1.jpg", "images/._1.jpg", ".DS_Store", "images/1.txt"):
            member = tarfile.TarInfo(name)
            member.size = 600
            tar.addfile(member, io.BytesIO(name.encode().ljust(600)))
    (sample,) = read_samples(path)
    assert sample.key == "images/1" and set(sample.members) == {"jpg", "txt"}
    assert sample.members["txt"].startswith(b"images/1.txt")


def test_dotted_keys_on_request(tmp_path: Path) -> None:
    path = foreign(tmp_path / "a.tar", [("1.left.jpg", b"l"), ("1.right.jpg", b"r")])
    assert next(read_samples(path, dotted=True)).members == {"left.jpg": b"l", "right.jpg": b"r"}


@pytest.mark.parametrize(
    "name", ["../../etc/1.jpg", "/abs/1.jpg", "a/../../1.jpg", "a\\..\\1.jpg", "a\n1.jpg", "\x1b[31m.jpg"]
)
def test_unsafe_names_are_refused(tmp_path: Path, name: str) -> None:
    path = foreign(tmp_path / "a.tar", [(name, b"x")])
    with pytest.raises(TarDamaged, match="unsafe name") as caught:
        list(read_samples(path))
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.GNUTYPE_SPARSE],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = foreign(tmp_path / "a.tar", [("1.jpg", b"")], tarfile.GNU_FORMAT, type=kind, linkname="/etc/passwd")
    with pytest.raises(TarDamaged, match="not a plain file"):
        list(read_samples(path))


def test_claims_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    member = tarfile.TarInfo("1.jpg")
    for size, format in ((8**11 - 1, tarfile.USTAR_FORMAT), (2**62, tarfile.GNU_FORMAT), (2**40, tarfile.PAX_FORMAT)):
        member.size = size
        path.write_bytes(member.tobuf(format) + bytes(2048))
        with pytest.raises(TarDamaged, match="over the limit"):
            list(read_samples(path))
    member.size = 5000
    path.write_bytes(member.tobuf() + bytes(2048))
    with pytest.raises(TarDamaged, match="cut inside"):
        scan(path)
    foreign(path, [("1.jpg", bytes(5000))])
    with pytest.raises(TarDamaged, match="over the limit of 4999"):
        list(read_samples(path, max_member=4999))
    foreign(path, [(f"1.{part}", b"") for part in range(300)])
    with pytest.raises(TarDamaged, match="over 256 members"):
        list(read_samples(path))
    for extra in (b"99 path=1.jpg\n", b"x path=1.jpg\n", b"13 path=1.jp", b"0 \n", b"22 GNU.sparse.size=10\n"):
        head = tarfile.TarInfo("pax")
        head.type, head.size = tarfile.XHDTYPE, len(extra)
        path.write_bytes(head.tobuf() + extra.ljust(512, b"\0") + member.tobuf() + bytes(6 * 1024))
        with pytest.raises(TarDamaged, match=r"PAX|sparse"):
            list(read_samples(path))


def test_nothing_but_a_local_tar_is_opened(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for name in (
        f"pipe:touch {canary}",
        f"pipe: touch {canary}",
        "http://127.0.0.1/a.tar",
        str(tmp_path),
        "missing.tar",
    ):
        with pytest.raises(SourceError):
            list(read_samples(name))
    assert not canary.exists()
    packed = tmp_path / "a.tar.gz"
    packed.write_bytes(gzip.compress(shard(drawn(2))))
    with pytest.raises(TarDamaged, match="gzip") as caught:
        list(read_samples(packed))
    assert "gunzip" in caught.value.hint


def test_a_pickle_stays_bytes(tmp_path: Path) -> None:
    class Canary:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(tmp_path / "fired"),)

    body = pickle.dumps(Canary())
    path = foreign(tmp_path / "a.tar", [("1.pyd", body), ("1.pickle", body)])
    assert read(path) == {"1": {"pyd": body, "pickle": body}}
    assert not (tmp_path / "fired").exists()


def test_corrupted_tars_are_read_or_refused(tmp_path: Path) -> None:
    names = [("a" * 120 + ".jpg", b"1" * 300), ("b.jpg", b"2" * 900), ("b.txt", b"3"), ("c.jpg", b"")]
    bodies = [shard(drawn(3))]
    for format in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        some = names[1:] if format == tarfile.USTAR_FORMAT else names
        bodies.append(foreign(tmp_path / "f.tar", some, format).read_bytes())
    rng = np.random.default_rng(0)
    path = tmp_path / "a.tar"
    outcomes = set()
    for turn in range(600):
        body = bytearray(bodies[turn % len(bodies)])
        for _ in range(int(rng.integers(1, 6))):
            at = int(rng.integers(0, len(body)))
            if rng.random() < 0.7:
                body[at] = int(rng.integers(0, 256))
            else:
                del body[at : at + 512 * int(rng.integers(1, 3))]
        if turn % 3 == 0:  # a header that lies and has a right checksum
            field = bytes(body[124:136])
            body[124:136] = rng.bytes(12) if turn % 2 else field[::-1]
            body[148:156] = b" " * 8
            body[148:156] = b"%06o\0 " % sum(body[:512])
        path.write_bytes(body)
        try:
            outcomes.add(type(list(read_samples(path))))
        except TarDamaged:
            outcomes.add(TarDamaged)
    assert outcomes == {list, TarDamaged}
