"""text: how long the words are, what they are made of, whether they look like a file's name, a shop, a placeholder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .alt_texts import OfTexts

if TYPE_CHECKING:
    import pyarrow as pa


class Text(OfTexts):
    """Rules on the form of the alternative text, in any script: scores/text_rules.py."""

    def measure(self) -> Callable[[pa.StringArray], Mapping[str, Any]]:
        from ...scores.text_rules import measure

        return measure
