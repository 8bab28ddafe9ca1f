"""How many requests at once a host bears: found by asking, halved when it was too many, one more when it went well.

    share = Share(most=8)
    share.now                                   8
    share.too_many(began=1.0, now=2.0)          share.now is 4
    share.too_many(began=1.5, now=2.1)          still 4: that request was under way when the share was halved
    share.went_well()                           after 40 of these, 5

This is additive increase and multiplicative decrease, as TCP does it (Chiu and Jain 1989), once for all requests that
were under way together. It grows slowly, by one after ten full shares that went well in a row, since what the server
refuses costs a URL one of its attempts.

Times are of time.monotonic(), in seconds. Cost: constant; 70 bytes a host.
"""

from __future__ import annotations

_FULL_SHARES = 10


class Share:
    """most: what it starts with and never exceeds. It never falls below 1."""

    __slots__ = ("_before", "_cut_at", "_well", "most", "now")

    def __init__(self, most: int) -> None:
        self.most = most
        self.now = most
        self._well = 0
        self._before = most
        self._cut_at = float("-inf")

    def at(self, began: float) -> int:
        """What it was for a request that began then, as far as one that may still be under way is concerned."""
        return self._before if began < self._cut_at else self.now

    def went_well(self) -> None:
        if self.now == self.most:
            return
        self._well += 1
        if self._well >= _FULL_SHARES * self.now:
            self._well = 0
            self.now += 1

    def too_many(self, began: float, now: float) -> None:
        """A request that began at `began` failed at `now` because there were too many, as it seems."""
        self._well = 0
        if began < self._cut_at:
            return
        self._before = self.now
        self.now = max(1, self.now // 2)
        self._cut_at = now
