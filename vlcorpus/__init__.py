"""vlcorpus: build image-text corpora and know how good they are.

`open`, `create` and `stage` are described in `vlcorpus.api`; they load when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import create, open, stage

__version__ = "0.1.0"
__all__ = ["__version__", "create", "open", "stage"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from . import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
