"""head: a number by code of the person's own, on pixels or on embeddings.

    vlcorpus score CORPUS head --named watermark --head my_heads:Watermark --weights watermark.pt

gives scores/head-watermark, whose column is called `head_watermark` in expressions. What a head is says
vlcorpus/scores/own_head.py. An image is decoded and judged once, however many captions it has; embeddings are judged
for each pair. The head's source and weights are inputs: with others the score is made again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...corpus import Corpus
from ...errors import SourceError
from .. import places
from ..base import Tell
from . import head_files
from .base import OneShard, Scored, Scorer
from .embedded import embedded_rows
from .plug_in import PlugIn, plug_in

if TYPE_CHECKING:
    from ..score import Score

PICTURES_AT_ONCE = 32
ROWS_AT_ONCE = 1024


class OwnHead(Scorer):
    """A head of the person's own; `chosen` says on what."""

    reads: ClassVar[tuple[str, ...]] = ("device", "weights", "batch_size")
    needed = ("head", "named")
    libraries = ("numpy", "torch", "timm")

    def chosen(self, stage: Score) -> Scorer:
        if stage.head is None:
            return self
        return _ON[plug_in(stage.head).reads]

    def inputs(self, stage: Score, corpus: Corpus) -> dict[str, str]:
        found = {"file:head": _plug_in(stage).digest}
        if stage.weights is not None:
            found["file:weights"] = head_files.file_digest(_weights(stage.weights))
        return found

    def check(self, stage: Score, corpus: Corpus) -> None:
        self.inputs(stage, corpus)

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        raise NotImplementedError  # one of the two below is chosen


class OwnHeadOnPixels(OwnHead):
    """Judges the stored image."""

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        import numpy as np
        import pyarrow as pa

        from ...images.decode import Refused, decode
        from ...scores.own_head import Judge
        from ..samples import stored

        found, head = _plug_in(stage), _made(stage)
        size = stage.batch_size or PICTURES_AT_ONCE

        def columns(unit: str, tell: Tell) -> Scored:
            judge = Judge(head, found.name)
            uids: list[bytes] = []
            image_of: list[int] = []
            values: list[float] = []  # of each image
            waiting: list[tuple[int, Any]] = []
            undecodable = 0

            def judged() -> None:
                for (place, _), value in zip(waiting, judge([rgb for _, rgb in waiting]), strict=True):
                    values[place] = float(value)
                waiting.clear()
                tell(len(uids), len(uids))

            last = ""
            for pair in stored(corpus, unit):
                if pair.image_key != last:
                    last = pair.image_key
                    picture = decode(pair.body)
                    values.append(float("nan"))
                    if isinstance(picture, Refused):
                        undecodable += 1
                    else:
                        waiting.append((len(values) - 1, picture.rgb))
                uids.append(pair.uid)
                image_of.append(len(values) - 1)
                if len(waiting) == size:
                    judged()
            judged()
            judge.check()
            scores = np.array(values, np.float32)[np.array(image_of, dtype=int)]
            about = _about(stage, found, judge) | {"undecodable": undecodable, "model": _slug(stage, found)}
            return Scored({"uid": pa.array(uids, pa.binary(16)), "head": _nullable(scores)}, about)

        return columns


class OwnHeadOnEmbeddings(OwnHead):
    """Judges the embeddings of image and text."""

    follows = "embeddings"
    reads = (*OwnHead.reads, "model")

    def open(self, stage: Score, corpus: Corpus) -> OneShard:
        import numpy as np

        from ...scores.heads import unit_rows
        from ...scores.own_head import Judge

        embeddings = stage.followed(corpus)
        found, head = _plug_in(stage), _made(stage)
        size = stage.batch_size or ROWS_AT_ONCE

        def columns(unit: str, tell: Tell) -> Scored:
            judge = Judge(head, found.name)
            rows = embedded_rows(corpus, embeddings, unit)
            scores = np.full(len(rows.uids), np.nan, np.float32)
            for start in range(0, len(scores), size):
                image_BD, image_good = unit_rows(rows.image_ND[start : start + size])
                text_BD, text_good = unit_rows(rows.text_ND[start : start + size])
                good = np.flatnonzero(image_good & text_good)
                scores[start + good] = judge(image_BD[good].astype(np.float32), text_BD[good].astype(np.float32))
                tell(start + len(image_BD), start + len(image_BD))
            judge.check()
            return Scored({"uid": rows.uids, "head": _nullable(scores)}, _about(stage, found, judge))

        return columns


_ON: dict[str, Scorer] = {"pixels": OwnHeadOnPixels(), "embeddings": OwnHeadOnEmbeddings()}


def _weights(text: str) -> Path:
    return places.fetched(text, "--weights", "a file or a folder")


def _plug_in(stage: Score) -> PlugIn:
    return plug_in(str(stage.head))


def _made(stage: Score) -> Callable[..., Any]:
    """The head, ready. SourceError where its factory fails."""
    from ...scores.own_head import said

    found = _plug_in(stage)
    weights = _weights(stage.weights) if stage.weights is not None else None
    try:
        head = found.factory(weights, stage.device)
    except Exception as error:  # the person's code
        raise SourceError(
            f"head {found.name} cannot be made: {said(error)}", "mend the head, or what it was given"
        ) from error
    if not callable(head):
        raise SourceError(
            f"head {found.name} made a {type(head).__name__}, which cannot be called", "return a callable"
        )
    return head


def _about(stage: Score, found: PlugIn, judge: Any) -> dict[str, Any]:
    weights = head_files.file_digest(_weights(stage.weights)) if stage.weights is not None else None
    said = {"name": found.name, "reads": found.reads, "version": found.version, "source_hash": found.source_hash}
    return {"head": said, "weights_hash": weights, "failed": judge.failed, "first_error": judge.first_error}


def _slug(stage: Score, found: PlugIn) -> str:
    """What tells the scores of this head with these weights from any other's."""
    from hashlib import sha256

    weights = head_files.file_digest(_weights(stage.weights)) if stage.weights is not None else ""
    return f"{stage.named}.{sha256(f'{found.digest} {weights}'.encode()).hexdigest()[:8]}"


def _nullable(scores: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    return pa.array(scores, pa.float32(), mask=np.isnan(scores))
