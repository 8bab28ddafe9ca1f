"""Files in object stores and other places that fsspec knows: s3://, gs://, hf://, abfs://, memory:// …

    filesystem, path = opened("s3://commoncrawl/crawl-data/CC-MAIN-2024-22/wat.paths.gz")
    stat("s3://bucket/a.warc.gz")                    Stat(size=1_073_741_824, tag="ETag \\"9b2c…\\"")
    Look("s3://bucket/a.warc.gz"), Copy("s3://bucket/a.warc.gz", out)      to be tried until done (tries.py)
    glob("s3://bucket/crawl/*.warc.gz")              ["s3://bucket/crawl/a.warc.gz", …]

Credentials, endpoints and proxies are those that the store's own library finds (environment, configuration files). http
addresses are not opened here but by transfer.py, which checks where it connects to, and for the same reason addresses
that wrap others (`simplecache::https://…`, zip://) are refused.
"""

from __future__ import annotations

from vlcorpus.errors import SourceError, VlcorpusError
from vlcorpus.io.places import advice, brief, is_lasting, opened, shown, tag_of
from vlcorpus.web.sources.file_out import FileOut
from vlcorpus.web.sources.tries import Failure, Stat

_BLOCK = 8_388_608


def _stat(location: str) -> Stat:
    """What is told about a file without reading it. Raises whatever the store's library does."""
    filesystem, path = opened(location)
    told = filesystem.info(path)
    if told.get("type") == "directory":
        raise IsADirectoryError(f"{shown(location)} is a folder")
    size = told.get("size")
    return Stat(size if isinstance(size, int) else None, tag_of(told))


def glob(location: str) -> list[str]:
    """The addresses that a pattern matches, sorted. SourceError."""
    filesystem, path = opened(location)
    try:
        return sorted(filesystem.unstrip_protocol(each) for each in filesystem.glob(path))
    except Exception as error:
        raise SourceError(f"{shown(location)} cannot be listed: {brief(error, location)}", advice(error)) from error


class Look:
    """found: what the store tells of a file, without reading it. To be tried until done."""

    at = 0

    def __init__(self, location: str) -> None:
        self._location = location
        self.found = Stat(None, "")

    def attempt(self) -> Failure | None:
        try:
            self.found = _stat(self._location)
        except Exception as error:
            return _failed(error, self._location)
        return None


class Copy:
    """Writes to `out` what is missing there, or all of it if the file may have changed. To be tried until done."""

    def __init__(self, location: str, out: FileOut) -> None:
        self._location, self._out = location, out
        self._stat: Stat | None = None

    @property
    def at(self) -> int:
        return self._out.at

    def attempt(self) -> Failure | None:
        out = self._out
        try:
            filesystem, path = opened(self._location)
            told = _stat(self._location)
            if told != self._stat or not told.tag:
                out.rewind()
                out.expect(told.size)
            self._stat = told
            with filesystem.open(path, "rb", block_size=_BLOCK) as file:
                file.seek(out.at)
                while block := file.read(_BLOCK):
                    out.write(block)
        except Exception as error:
            return _failed(error, self._location)
        if told.size is not None and told.size != out.at:
            said = f"{out.at:,} bytes came of {told.size:,}"
            out.rewind()
            return Failure(said=said, hint="does somebody change the file?")
        return None


def _failed(error: Exception, location: str) -> Failure:
    """What came of a try at a store. Errors that are already said to a person are raised."""
    if isinstance(error, VlcorpusError):
        raise error
    return Failure(said=brief(error, location), hint=advice(error), lasting=is_lasting(error))
