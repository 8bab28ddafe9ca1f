from __future__ import annotations

import resource

import pytest
import torch

from vlcorpus.probe.memory import _glibc, kept


def _faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def test_freed_memory_is_used_again() -> None:
    """Forty steps of three blocks of 4 MB each: 1,024 pages a block, were they new every time."""
    if _glibc() is None:
        pytest.skip("not glibc")
    with kept():
        for step in range(41):
            if step == 1:
                before = _faults()
            blocks = [torch.zeros(1 << 20) for _ in range(3)]
            del blocks
        assert _faults() - before < 40 * 3 * 1024 / 20


def test_nothing_is_kept_of_an_error() -> None:
    with pytest.raises(KeyError), kept():
        raise KeyError
