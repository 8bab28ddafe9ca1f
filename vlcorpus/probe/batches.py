"""The batches of a run, on the model's device, update by update.

    >>> batches = Batches(sources, plan, settings, torch.device("cuda"))
    >>> batches.at(0)[0].views[0].shape                 # (4096, 3, 224, 224) uint8, augmented

On the CPU a batch is gathered and changed by numpy when it is asked for: one thread is all there is. On a GPU pictures
travel as uint8 and are changed there. Where all of them fit into half of its free memory, and the run sees each once at
least, they are put there before the first step; else a thread gathers the batch after next into pinned memory and
copies it on a stream of its own while the model works.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlcorpus.errors import SourceError, UsageError
from vlcorpus.probe import augment
from vlcorpus.probe.distributed import ALONE, Group
from vlcorpus.probe.mixing import Plan, Turn
from vlcorpus.probe.order import AUGMENTATION, Order, caption_draws
from vlcorpus.probe.pairs import Pairs, joined
from vlcorpus.probe.settings import TrainSettings

_AHEAD = 2
_CHUNK = 4096


@dataclass(frozen=True)
class Batch:
    """One process's slice of a batch."""

    views: tuple[Tensor, ...]
    """(N, 3, S, S) uint8 or (N, F) features; two for simclr"""
    text: Tensor | None
    """(N, L) int64 or (N, G) features; None for simclr"""
    weight: float


@dataclass(frozen=True)
class _Held:
    """A batch before its pictures are changed: in memory, or on its way to the device."""

    image: Tensor
    text: Tensor | None
    weight: float
    drawn: tuple[augment.Drawn | None, ...]
    ready: Any = None


class Batches:
    """Every batch is a function of the seed and the update; `close` ends the thread, where there is one."""

    def __init__(
        self,
        sources: Sequence[Pairs],
        plan: Plan,
        settings: TrainSettings,
        device: torch.device,
        group: Group = ALONE,
    ) -> None:
        self.sources, self.plan, self.settings, self.device, self.group = sources, plan, settings, device, group
        self._orders = [Order(len(source), settings.seed, place) for place, source in enumerate(sources)]
        self._kinds = ("views", "views") if settings.loss == "simclr" else (settings.augment,)
        first = [source.images(np.zeros(1, np.int64)) for source in sources]
        self._pictures = all(each.ndim == 4 for each in first)
        if settings.loss == "simclr" and not self._pictures:
            raise UsageError("simclr needs pictures, and a source has features", "take loss clip or siglip")
        for source, each in zip(sources, first, strict=True):
            if each.ndim == 4 and (each.dtype != np.uint8 or each.shape[1] != 3 or each.shape[2] != each.shape[3]):
                raise SourceError(
                    f"pictures of {source.name} are {each.shape[1:]} {each.dtype}", "they are (3, S, S) uint8"
                )
        self._residents = self._resident(first) if device.type == "cuda" else None
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None  # type: ignore[no-untyped-call]
        self._pool = ThreadPoolExecutor(1) if device.type == "cuda" else None
        self._coming: dict[int, Future[list[_Held]]] = {}

    def at(self, update: int) -> list[Batch]:
        """The batches of an update. On a GPU those of the next ones are begun."""
        if self._pool is None:
            turns = enumerate(self.plan.turns(update))
            return [self._changed(self._gathered(update, place, turn)) for place, turn in turns]
        for number in range(update, min(update + 1 + _AHEAD, self.plan.updates)):
            if number not in self._coming:
                self._coming[number] = self._pool.submit(self._sent, number)
        return [self._changed(held) for held in self._coming.pop(update).result()]

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _gathered(self, update: int, place: int, turn: Turn) -> _Held:
        """A batch's pairs on the CPU, but for pictures that are on the device already."""
        seed = self.settings.seed
        images: list[Any] = []
        texts: list[NDArray[Any]] = []
        before = 0
        for part in turn.parts:
            # One process has every world-th pair of the whole batch, and so of every source.
            own = slice((self.group.rank - before) % self.group.world, None, self.group.world)
            before += part.count
            source = self.sources[part.source]
            rows = self._orders[part.source].rows(part.start, part.count)[own]
            if self._residents is not None:
                images.append(self._residents[part.source][torch.from_numpy(rows).to(self.device)])
            else:
                images.append(source.images(rows))
            if self.settings.loss != "simclr":
                texts.append(source.texts(rows, caption_draws(seed, part.source, part.start, part.count)[own]))
        generator = np.random.default_rng([seed, AUGMENTATION, update, place])
        side = images[0].shape[-1]
        drawn = tuple(augment.draw(kind, side, generator) if self._pictures else None for kind in self._kinds)
        text = None
        if texts:
            words = joined(texts)
            text = torch.from_numpy(words.astype(np.int64) if np.issubdtype(words.dtype, np.integer) else words)
        image = torch.cat(images) if self._residents is not None else torch.from_numpy(joined(images))
        return _Held(image, text, turn.weight, drawn)

    def _changed(self, held: _Held) -> Batch:
        """Augmented, on the device."""
        rank, world = self.group.rank, self.group.world
        if self.device.type == "cpu":
            pictures = held.image.numpy()
            views = tuple(torch.from_numpy(augment.by_numpy(pictures, drawn, rank, world)) for drawn in held.drawn)
            return Batch(views, held.text, held.weight)
        if held.ready is not None:
            stream = torch.cuda.current_stream(self.device)
            stream.wait_event(held.ready)
            for tensor in (held.image, held.text):
                if tensor is not None:
                    tensor.record_stream(stream)
        image = held.image.to(self.device)
        text = None if held.text is None else held.text.to(self.device)
        views = tuple(augment.by_torch(image, drawn, rank, world) for drawn in held.drawn)
        return Batch(views, text, held.weight)

    def _sent(self, update: int) -> list[_Held]:
        """In the thread: the batches of an update, on their way to the GPU."""
        found = []
        with torch.cuda.device(self.device), torch.cuda.stream(self._stream):
            for place, turn in enumerate(self.plan.turns(update)):
                held = self._gathered(update, place, turn)
                image, text = (
                    each if each is None or each.is_cuda else each.pin_memory().to(self.device, non_blocking=True)
                    for each in (held.image, held.text)
                )
                assert image is not None
                ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
                ready.record(self._stream)
                found.append(_Held(image, text, held.weight, held.drawn, ready))
        return found

    def _resident(self, first: Sequence[NDArray[Any]]) -> list[Tensor] | None:
        """All pictures on the GPU; None where they do not fit, or where the run is shorter than a pass over them."""
        wanted = sum(len(source) * each.nbytes for source, each in zip(self.sources, first, strict=True))
        free, _ = torch.cuda.mem_get_info(self.device)
        seen = self.settings.steps * self.settings.batch_size
        if 2 * wanted > free or seen < sum(map(len, self.sources)):
            return None
        residents = []
        for source, each in zip(self.sources, first, strict=True):
            kind = torch.from_numpy(each).dtype
            held = torch.empty((len(source), *each.shape[1:]), dtype=kind, device=self.device)
            for start in range(0, len(source), _CHUNK):
                rows = np.arange(start, min(start + _CHUNK, len(source)))
                held[start : start + len(rows)] = torch.from_numpy(source.images(rows)).to(self.device)
            residents.append(held)
        # The thread reads them on a stream of its own.
        torch.cuda.synchronize(self.device)
        return residents
