"""What world to write: how many pairs, of what kinds, with what faults.

    WorldSettings(pairs=600, seed=3, missing=0.1).planted("missing")      # 60

Shares of kinds are exact to one row; rates of faults are rounded up, so that even a small world has one of each.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlcorpus.errors import UsageError
from vlcorpus.world.planted import FAULTS, KINDS

FAULTY = tuple(fault for fault in FAULTS if fault != "none")


@dataclass(frozen=True, kw_only=True)
class WorldSettings:
    """Shares are of `pairs` and sum to 1; rates are of `pairs` too, rounded up, and come on top."""

    pairs: int = 6000
    seed: int = 1
    side: int = 64
    quality: int = 90
    pairs_per_page: int = 60

    true: float = 0.30
    wrong: float = 0.385
    file_name: float = 0.105
    spam: float = 0.105
    unrelated: float = 0.105

    empty_alt: float = 0.03
    inline_image: float = 0.005
    noai_page: float = 0.01
    robots_denied: float = 0.01
    missing: float = 0.02
    broken_image: float = 0.01
    tiny_image: float = 0.01
    noai_image: float = 0.01
    exact_duplicate: float = 0.03
    near_duplicate: float = 0.04
    extra_caption: float = 0.03

    other_files: int = 3  # links to what is not HTML
    dead_links: int = 2  # links to pages that are not there

    def __post_init__(self) -> None:
        bounds = {"pairs": (1, 10_000_000), "seed": (0, 2**63), "side": (32, 256), "quality": (30, 100)}
        bounds |= {"pairs_per_page": (1, 10_000), "other_files": (0, 1000), "dead_links": (0, 1000)}
        for name, (least, most) in bounds.items():
            if not least <= getattr(self, name) <= most:
                raise UsageError(f"world: {name} is {getattr(self, name)}", f"{name} is from {least} to {most}")
        for name in (*KINDS, *FAULTY):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"world: {name} is {getattr(self, name)}", f"{name} is from 0 to 1")
        total = sum(self.shares().values())
        if abs(total - 1) > 1e-9:
            raise UsageError(f"world: the shares of kinds sum to {total:g}", f"make {', '.join(KINDS)} sum to 1")

    def shares(self) -> dict[str, float]:
        """Kind -> share."""
        return {kind: getattr(self, kind) for kind in KINDS}

    def planted(self, fault: str) -> int:
        """How many rows of a fault are planted."""
        # 1e-9: 0.03 * 100 is a little more than 3 and must not become 4.
        return self.pairs if fault == "none" else -int(-(self.pairs * float(getattr(self, fault)) - 1e-9) // 1)
