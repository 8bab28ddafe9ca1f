"""Files over http and https: what is told about one, and its download, which goes on where it broke.

    with Look(url, manners, patience) as look: ...              look.found == Stat(size=…, tag='"5e1c…"')
    with Download(url, out, manners, patience) as download: ...

To be tried until done (tries.py). A download goes on only if the server names a version of the file (a strong ETag,
Last-Modified) and says that it is still the same; else it begins again. Looking asks for one byte, not with HEAD,
because a presigned address is signed for GET.
"""

from __future__ import annotations

import re
import time
from types import TracebackType
from typing import Self

from vlcorpus.net.response import Manners
from vlcorpus.net.retry import asked_wait
from vlcorpus.net.url import requestable
from vlcorpus.web.sources.file_out import FileOut
from vlcorpus.web.sources.transfer import Answer, Headers, Transfer, Write
from vlcorpus.web.sources.tries import Failure, Patience, Stat

_RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|\*)/(\d{1,18}|\*)")
_BUSY = frozenset((403, 408, 425, 429))
_HINTS = {
    "bad_url": "give an address without user name and password; for private files a presigned one",
    "private_address": "an address that is not public needs --allow-private NETWORK, as 127.0.0.0/8",
    "dns_failure": "is the address right?",
    "connect_failure": "is the address right?",
}
_LASTING = frozenset(("bad_url", "bad_scheme", "private_address", "too_many_redirects", "header_flood"))
_UNANSWERED = frozenset(("dns_failure", "connect_failure", "tls_failure", "bad_response"))


class _Asking:
    """What both do: a connection, and the address as it may be requested."""

    def __init__(self, location: str, manners: Manners, patience: Patience) -> None:
        self._url, self._reason = requestable(location)
        self._transfer = Transfer(
            manners,
            connect_seconds=patience.connect_seconds,
            slow_seconds=patience.slow_seconds,
            total_seconds=patience.total_seconds,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._transfer.close()


class Look(_Asking):
    """found: what the server tells."""

    at = 0

    def __init__(self, location: str, manners: Manners, patience: Patience) -> None:
        super().__init__(location, manners, patience)
        self.found = Stat(None, "")

    def attempt(self) -> Failure | None:
        if self._reason is not None:
            return _failure(self._reason)
        answer = self._transfer.get(self._url, ["Range: bytes=0-0"], _nothing)
        headers = dict(reversed(answer.headers))  # of equal names the first
        total: int | None
        if answer.reason is None and answer.status == 200:
            total = _length(headers)
        elif answer.reason is None and answer.status in (206, 416):  # 416: an empty file
            total = _range(headers)[1]
        else:
            return _failed(answer)
        tag = headers.get("etag") or headers.get("last-modified") or ""
        self.found = Stat(total, tag)
        return None


class Download(_Asking):
    """Writes to `out` what is missing there."""

    def __init__(self, location: str, out: FileOut, manners: Manners, patience: Patience) -> None:
        super().__init__(location, manners, patience)
        self._out = out
        self._total: int | None = None
        self._version = ""

    @property
    def at(self) -> int:
        return self._out.at

    def attempt(self) -> Failure | None:
        if self._reason is not None:
            return _failure(self._reason)
        self._accepted = False
        asking = [f"Range: bytes={self.at}-", f"If-Range: {self._version}"] if self.at and self._version else []
        self._asked = bool(asking)
        answer = self._transfer.get(self._url, asking, self._begin)
        if not self._accepted:
            if answer.reason is None and answer.status in (200, 206, 416):  # not the part that was asked for
                self._forget()
                return _failure("bad_response", answered=True)
            return _failed(answer)
        if answer.reason is not None:
            if not self._version:
                self._forget()
            return _failure(answer.reason, answered=True)
        if self._total is not None and self.at != self._total:
            said = f"{self.at:,} bytes came of {self._total:,}"
            self._forget()
            return Failure(said=said)
        return None

    def _begin(self, status: int, headers: Headers) -> Write | None:
        told = dict(reversed(headers))
        if status == 200:
            self._out.rewind()
            self._total = _length(told)
            self._version = _version(told)
        elif status == 206 and self._asked:
            start, total = _range(told)
            if start != self.at or (self._total is not None and total not in (None, self._total)):
                return None
            if self._version.startswith('"') and told.get("etag", self._version) != self._version:
                return None
        else:
            return None
        self._out.expect(self._total)
        self._accepted = True
        return self._out.write

    def _forget(self) -> None:
        self._out.rewind()
        self._total, self._version = None, ""


def _nothing(status: int, headers: Headers) -> None:
    return None


def _failed(answer: Answer) -> Failure:
    """What an answer that brought nothing says."""
    if answer.reason is not None:
        return _failure(answer.reason, answered=answer.status is not None)
    status = answer.status or 0
    if status in (403, 429, 503):
        hint = "the server may be asked too much: wait an hour, then read with fewer workers; or the address is wrong"
    elif status == 401:
        hint = "for private files give a presigned address"
    else:
        hint = "try again later" if status >= 500 else "is the address right?"
    return Failure(
        said=f"HTTP status {status}",
        hint=hint,
        wait=asked_wait(answer.headers, time.time()),
        lasting=status < 500 and status not in _BUSY,
    )


def _failure(reason: str, *, answered: bool = False) -> Failure:
    return Failure(
        said=reason,
        hint=_HINTS.get(reason, ""),
        lasting=reason in _LASTING,
        unanswered=not answered and reason in _UNANSWERED,
    )


def _length(headers: dict[str, str]) -> int | None:
    said = headers.get("content-length", "")
    return int(said) if re.fullmatch(r"\d{1,18}", said, re.ASCII) else None


def _range(headers: dict[str, str]) -> tuple[int | None, int | None]:
    """(first byte, bytes in all) of Content-Range."""
    found = _RANGE.fullmatch(headers.get("content-range", ""))
    if found is None:
        return None, None
    return int(found[1]) if found[1] else None, int(found[3]) if found[3] != "*" else None


def _version(headers: dict[str, str]) -> str:
    """What can stand in If-Range; weak ETags cannot."""
    for said in (headers.get("etag", ""), headers.get("last-modified", "")):
        if said and not said.startswith("W/") and said.isascii() and said.isprintable() and len(said) < 1000:
            return said
    return ""
