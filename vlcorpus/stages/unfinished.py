"""What is kept of a unit under way, beside its layer's files, until it is committed.

    with journal(layer, "00000", commit.fingerprint) as kept: ...        io.journal; in an object store, too
    discard(layer, "00000")                                              when the unit is done

Where the layer is stored elsewhere, its journals are kept there while they grow, and another machine goes on with them.
"""

from __future__ import annotations

from ..io import journal as journals
from ..io.journal import Journal
from ..layer import Layer


def journal(layer: Layer, unit: str, fingerprint: str) -> Journal:
    return Journal(layer.making, unit, fingerprint=fingerprint, elsewhere=layer if layer.remote else None)


def discard(layer: Layer, unit: str) -> None:
    """Remove the journals of a unit, of all attempts."""
    journals.discard(layer.making, unit, layer if layer.remote else None)
