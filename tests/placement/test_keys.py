"""Identities in bulk are those of vlcorpus.identity, to the bit."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vlcorpus import identity, schema
from vlcorpus.io import table
from vlcorpus.placement import keys

LETTERS = "aAzZ09 \t\n\x1c\u00a0\u2003\u3000\x00ßİſéЖ漢字🙂́.\x7f\x85"


def draw_text(rng: random.Random) -> str:
    return "".join(rng.choice(LETTERS) for _ in range(rng.choice((0, 1, 3, 20, 300))))


def draw_rows(rng: random.Random, count: int) -> list[dict[str, Any]]:
    rows = []
    for _ in range(count):
        refused = rng.random() < 0.2
        url = None if rng.random() < 0.2 else "http://a.test/" + draw_text(rng)
        rows.append(
            {
                "url": url,
                "alt_text": None if rng.random() < 0.1 else draw_text(rng),
                "image_hash": rng.randbytes(16) if url is None and not refused else None,
                "reason": "bad_url" if refused else None,
            }
        )
    return rows


def plainly(row: dict[str, Any]) -> tuple[bytes | None, bytes | None, int | None]:
    """uid, image_id and text_id of one row, as said."""
    if row["reason"] is not None:
        return None, None, None
    text = row["alt_text"] or ""
    words = hashlib.blake2b(" ".join(text.casefold().split()).encode(), digest_size=8, person=b"vlcorpus.text")
    text_id = int.from_bytes(words.digest(), "little")
    if row["url"] is None:
        return identity.uid(row["image_hash"].hex(), text), row["image_hash"], text_id
    return identity.uid(row["url"], text), identity.image_id(row["url"]), text_id


def found(pairs: pa.Table) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in pairs.select(["uid", "image_id", "text_id"]).to_pylist()]


@pytest.mark.parametrize("seed", range(20))
def test_the_columns_are_what_identity_gives_row_by_row(seed: int) -> None:
    rng = random.Random(seed)
    rows = draw_rows(rng, rng.choice((0, 1, 2, 50, 400)))
    named = keys.with_identities(table.columns(rows, "extracted"))
    assert named.schema.equals(schema.table("extracted").arrow())
    assert found(named) == [plainly(row) for row in rows]


@pytest.mark.parametrize("seed", range(5))
def test_how_a_table_is_divided_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    rows = draw_rows(rng, 300)
    whole = table.columns(rows, "extracted")
    cuts = sorted(rng.sample(range(300), 5))
    pieces = pa.concat_tables(
        [whole.slice(start, stop - start) for start, stop in zip([0, *cuts], [*cuts, 300], strict=True)]
    )
    monkeypatch.setattr(keys, "STEP_ROWS", 7)
    assert found(keys.with_identities(pieces)) == [plainly(row) for row in rows]
    assert found(keys.with_identities(whole.slice(11, 100))) == [plainly(row) for row in rows[11:111]]
    texts = pieces.column("alt_text").slice(3, 200)
    plain = [plainly(row | {"reason": None, "url": "x"})[2] for row in rows[3:203]]
    assert keys.text_ids(texts).tolist() == plain


def test_every_letter_counts_as_python_folds_it() -> None:
    texts = [f" a{chr(code)}B " for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    ids = keys.text_ids(pa.chunked_array([texts]))
    assert ids.tolist() == [plainly({"url": "x", "alt_text": text, "reason": None})[2] for text in texts]


def test_spelling_and_white_space_make_no_other_words() -> None:
    one = keys.text_ids(pa.chunked_array([["A  Cat\n", "a cat", "\u3000a CAT", "acat", "", " \t", None]]))
    assert len(set(one[:3].tolist())) == 1 and one[3] not in one[:3]
    assert set(one[4:].tolist()) == {keys.EMPTY_TEXT}


def test_a_row_that_names_no_image_is_a_mistake() -> None:
    rows = [{"url": None, "alt_text": "a", "image_hash": None, "reason": None}]
    with pytest.raises(ValueError, match="neither url nor image_hash"):
        keys.with_identities(table.columns(rows, "extracted"))


def test_a_table_that_lacks_the_columns_gets_them() -> None:
    row = {"url": "http://a.test/1.jpg", "alt_text": "a", "image_hash": None, "reason": None}
    whole = table.columns([row], "extracted")
    assert found(keys.with_identities(whole.drop_columns(["uid", "image_id", "text_id"]))) == [plainly(row)]


def test_words_of_a_column_of_slices() -> None:
    values = [bytes([number] * 16) for number in range(10)]
    column = pa.chunked_array([pa.array(values, pa.binary(16)).slice(2, 3), pa.array(values, pa.binary(16)).slice(7)])
    words = keys.as_words(column)
    assert words.tobytes() == b"".join(values[2:5] + values[7:])
    assert keys.as_words(pa.chunked_array([], pa.binary(16))).shape == (0, 2)
    with pytest.raises(ValueError, match="null"):
        keys.as_words(pa.array([None], pa.binary(16)))
    assert words.dtype == np.uint64


def test_without_texts_the_others_are_the_same() -> None:
    rows = [
        {"url": f"http://a.test/{n}", "alt_text": "words", "reason": "bad_url" if n % 5 == 0 else None}
        for n in range(40)
    ]
    given = table.columns(rows, "extracted")
    whole, less = keys.with_identities(given), keys.with_identities(given, texts=False)
    assert less.schema.equals(whole.schema)
    assert less.column("text_id").null_count == 40 and whole.column("text_id").null_count == 8
    assert less.drop_columns(["text_id"]).equals(whole.drop_columns(["text_id"]))
