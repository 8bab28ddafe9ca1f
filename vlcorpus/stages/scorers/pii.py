"""pii: whether the words hold addresses (e-mail, web, IP), telephone numbers, IBANs, handles or coordinates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .alt_texts import OfTexts

if TYPE_CHECKING:
    import pyarrow as pa


class PII(OfTexts):
    """Personal data in the alternative text: scores/pii.py."""

    def measure(self) -> Callable[[pa.StringArray], Mapping[str, Any]]:
        from ...scores.pii import find

        return find
