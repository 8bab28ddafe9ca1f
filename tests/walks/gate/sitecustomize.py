"""Holds a run at the n-th call of a function until its process is asked to end. Python imports this by itself where the
folder is on PYTHONPATH.

    VLSPOT_LOG=/tmp/calls VLSPOT_AT=vlcorpus.io.table:read          log the calls, and do no harm
    VLSPOT_HOLD=3                         besides: the third call waits until that is so; of several functions, joined
                                          by commas, that of the first

Each call appends a line to the log before it begins.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import os
import sys
from types import ModuleType
from typing import Any

LONGEST_SECONDS = 120


class _Gate(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, at: str, log: str, hold: int) -> None:
        self._at = at
        self._module, _, self._function = at.partition(":")
        self._log, self._hold = log, hold
        self._calls = 0
        self._spec: importlib.machinery.ModuleSpec | None = None

    def find_spec(self, name: str, path: Any, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if name != self._module:
            return None
        sys.meta_path.remove(self)
        self._spec = importlib.util.find_spec(name)
        assert self._spec is not None
        return importlib.util.spec_from_file_location(name, self._spec.origin, loader=self)

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        assert self._spec is not None and self._spec.loader is not None
        self._spec.loader.exec_module(module)
        *classes, name = self._function.split(".")
        holder: Any = functools.reduce(getattr, classes, module)
        original = getattr(holder, name)

        @functools.wraps(original)
        def called(*given: Any, **named: Any) -> Any:
            self._calls += 1
            log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(log, f"{self._at}\n".encode())
            os.close(log)
            if self._calls == self._hold:
                from vlcorpus.io import attempt

                assert attempt.stopping.wait(LONGEST_SECONDS), "nobody asked"
            return original(*given, **named)

        setattr(holder, name, called)


if "VLSPOT_AT" in os.environ:
    import importlib.util

    _hold = int(os.environ.get("VLSPOT_HOLD", "0"))
    for _at in os.environ["VLSPOT_AT"].split(","):
        sys.meta_path.insert(0, _Gate(_at, os.environ["VLSPOT_LOG"], _hold))
        _hold = 0
