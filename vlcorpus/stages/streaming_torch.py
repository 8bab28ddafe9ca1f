"""`Samples` as a torch IterableDataset. Imports torch, so it is imported where torch is wanted.

loader = DataLoader(samples, batch_size=256, num_workers=4, collate_fn=prepare)
for epoch in range(10):
    samples.set_epoch(epoch)                 # the workers hear of it, persistent ones too
    for batch in loader: ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import torch
from torch.utils.data import IterableDataset

from .streaming import Samples

if TYPE_CHECKING:
    from .samples import Pair

    Dataset = IterableDataset[Pair]
else:
    Dataset = IterableDataset


class TorchSamples(Samples, Dataset):
    """What a DataLoader takes. The epoch lies in memory that a loader's workers share."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        self._shared = _shared()
        super().__init__(*args, **settings)

    @classmethod
    def of(cls, samples: Samples) -> Self:
        if isinstance(samples, cls):
            return samples
        found = cls.__new__(cls)
        found._shared = _shared()
        for name, value in vars(samples).items():
            setattr(found, name, value)
        return found

    @property
    def epoch(self) -> int:
        return int(self._shared)

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self._shared.fill_(epoch)


def _shared() -> torch.Tensor:
    found: torch.Tensor = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
    return found
