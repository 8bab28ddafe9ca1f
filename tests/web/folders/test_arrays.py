from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.web.vectors import drawn
from vlcorpus.errors import SourceError
from vlcorpus.web.folders.arrays import Place, array, members, shape, unit

KINDS = ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]


def saved(path: Path, rows: Any, *, packed: bool | None) -> Place:
    """As .npy (packed None), or as a member of an .npz file."""
    if packed is None:
        np.save(path.with_suffix(".npy"), rows)
        return Place(path.with_suffix(".npy"))
    (np.savez_compressed if packed else np.savez)(path.with_suffix(".npz"), other=np.ones((2, 2)), a_img=rows)
    return Place(path.with_suffix(".npz"), "a_img.npy")


@pytest.mark.parametrize("packed", [None, False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["C", "F"])
def test_rows_are_those_that_numpy_reads(tmp_path: Path, packed: bool | None, kind: str, order: Any) -> None:
    rows = np.asarray(drawn(5, 3, 1).astype(kind), order=order)
    place = saved(tmp_path / "x", rows, packed=packed)
    assert shape(place) == (5, 3)
    found = array(place)
    assert found.dtype == np.dtype(kind) and not found.flags.writeable
    np.testing.assert_array_equal(found, rows)
    assert isinstance(found, np.memmap) == (packed is not True)


@pytest.mark.parametrize("packed", [None, False, True])
def test_no_rows_are_no_trouble(tmp_path: Path, packed: bool | None) -> None:
    place = saved(tmp_path / "x", np.zeros((0, 4), np.float16), packed=packed)
    assert shape(place) == array(place).shape == (0, 4)


def test_members_are_named(tmp_path: Path) -> None:
    saved(tmp_path / "x", np.ones((1, 1)), packed=False)
    assert members(tmp_path / "x.npz") == ["other.npy", "a_img.npy"]


@pytest.mark.parametrize("packed", [None, False, True])
@pytest.mark.parametrize(
    "rows",
    [
        np.array([[{"a": 1}]], dtype=object),
        np.ones((3, 2), np.int8),
        np.ones((3, 2), np.complex64),
        np.ones(3, np.float16),
        np.ones((3, 2, 2), np.float16),
        np.ones((3, 0), np.float16),
        np.ones((1, 70_000), np.float16),
        np.array([("a", 1.0)], dtype=[("x", "U1"), ("y", "f4")]),
    ],
    ids=["pickled", "integers", "complex", "flat", "deep", "empty rows", "wide", "records"],
)
def test_what_holds_no_vectors_is_refused(tmp_path: Path, rows: Any, packed: bool | None) -> None:
    place = saved(tmp_path / "x", rows, packed=packed)
    for read in (shape, array):
        with pytest.raises(SourceError) as told:
            read(place)
        assert "x.np" in told.value.message and told.value.hint


def npy(rows: Any) -> bytes:
    sink = io.BytesIO()
    np.save(sink, rows)
    return sink.getvalue()


WHOLE = npy(drawn(5, 3, 1))
DAMAGED = {
    "cut": WHOLE[:-1],
    "longer": WHOLE + b"\0",
    "header cut": WHOLE[:20],
    "empty": b"",
    "no numpy": b"PAR1" * 40,
    "version": WHOLE[:6] + b"\x03\x00" + WHOLE[8:],
    "long header": WHOLE[:8] + b"\xff\xff" + WHOLE[10:] + bytes(70_000),
    "header is code": WHOLE.replace(b"'fortran_order': False", b"'fortran_order': f(1) "),
    "header is deep": WHOLE.replace(b"(5, 3)", b"((((((((((5, 3)"),
    "negative": WHOLE.replace(b"(5, 3)", b"(-5,3)"),
    "huge": WHOLE.replace(b"(5, 3), }  ", b"(5" + b"0" * 2 + b", 3), }"),
}


@pytest.mark.parametrize("damage", DAMAGED)
@pytest.mark.parametrize("packed", [None, False, True])
def test_a_damaged_array_is_refused(tmp_path: Path, damage: str, packed: bool | None) -> None:
    assert DAMAGED[damage] != WHOLE
    place = Place(tmp_path / "x.npy")
    if packed is None:
        place.path.write_bytes(DAMAGED[damage])
    else:
        place = Place(tmp_path / "x.npz", "a_img.npy")
        with zipfile.ZipFile(place.path, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED) as whole:
            whole.writestr("a_img.npy", DAMAGED[damage])
    for read in (shape, array):
        with pytest.raises(SourceError):
            read(place)


def test_any_byte_of_an_npz_file_may_be_wrong(tmp_path: Path) -> None:
    """Never another error, and never rows of another shape."""
    for packed in (False, True):
        place = saved(tmp_path / "x", drawn(3, 2, 1), packed=packed)
        whole = place.path.read_bytes()
        for at in range(len(whole)):
            changed = bytearray(whole)
            changed[at] ^= 0xFF
            place.path.write_bytes(changed)
            try:
                assert array(place).shape == (3, 2)
            except SourceError:
                pass
        for end in range(0, len(whole), 7):
            place.path.write_bytes(whole[:end])
            with pytest.raises(SourceError):
                array(place)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A member that says it has more rows than the limit, in few bytes; and one that lies about its size."""
    header = npy(np.zeros((1, 1), np.float16))[:-2].replace(b"(1, 1), }" + b" " * 10, b"(99999999, 64), }  ")
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("a_img.npy", header)
    body = (tmp_path / "x.npz").read_bytes()
    size = struct.pack("<I", len(header))
    said = struct.pack("<I", (len(header) + 99_999_999 * 128) & 0xFFFFFFFF)
    (tmp_path / "x.npz").write_bytes(body.replace(size, said))
    for read in (shape, array):
        with pytest.raises(SourceError):
            read(Place(tmp_path / "x.npz", "a_img.npy"))


def test_what_is_not_there(tmp_path: Path) -> None:
    place = saved(tmp_path / "x", drawn(3, 2, 1), packed=False)
    for each in (Place(place.path, "b_img.npy"), Place(tmp_path / "y.npz", "a_img.npy"), Place(tmp_path / "y.npy")):
        with pytest.raises(SourceError):
            array(each)
    with pytest.raises(SourceError):
        members(tmp_path)


def plainly(rows: Any) -> Any:
    """Row by row, in Python's whole numbers and fractions of them."""
    from fractions import Fraction

    found = np.full(rows.shape, np.nan, np.float16)
    for number, row in enumerate(rows):
        values = [float(value) for value in row]
        if not all(np.isfinite(values)) or not any(values):
            continue
        exact = [Fraction(value) for value in values]
        square = sum(value * value for value in exact)
        if abs(float(square) - 1) <= 2e-3 and abs(float(square) ** 0.5 - 1) <= 1e-3:
            found[number] = np.array(values).astype(np.float16)
            continue
        most = max(map(abs, exact))
        length = most * Fraction(float(square / (most * most)) ** 0.5)
        found[number] = np.array([float(value / length) for value in exact]).astype(np.float16)
    return found


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("scale", [1.0, 1.0005, 1.002, 12.5, 1e-3])
def test_rows_become_unit_rows(kind: Any, scale: float) -> None:
    rows = (drawn(40, 16, 3).astype(np.float64) * scale).astype(kind)
    found, good = unit(rows)
    want = plainly(rows)
    assert good.all() and found.dtype == np.float16
    assert np.abs(found.astype(float) - want.astype(float)).max() <= np.spacing(np.float16(0.5))
    assert np.abs(np.linalg.norm(found.astype(float), axis=1) - 1).max() < 2e-3


def test_unit_rows_keep_their_numbers() -> None:
    rows = drawn(100, 64, 4)
    np.testing.assert_array_equal(unit(rows)[0], rows)
    np.testing.assert_array_equal(unit(rows.astype(np.float32))[0], rows)


def test_rows_without_direction_are_not_numbers() -> None:
    rows = np.ones((7, 3))
    rows[0], rows[1, 1], rows[2, 0], rows[3, 2] = 0, np.nan, np.inf, -np.inf
    rows[4], rows[5] = 1e300, 1e-310
    found, good = unit(rows)
    assert good.tolist() == [False] * 4 + [True] * 3
    assert np.isnan(found[:4]).all()
    np.testing.assert_allclose(found[4:].astype(float), 3**-0.5, atol=1e-3)
    assert unit(np.zeros((0, 3)))[0].shape == (0, 3)
