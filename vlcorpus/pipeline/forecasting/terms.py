"""The words of a forecast: sizes and machines as a person types them, and what was measured of a stage.

    rows_of("5B")                                   5_000_000_000; also 1e9, 12_800_000, 400M, 1.5k
    machine_of("cores=64,ram=256,net=25,price=2.5")    Machine(cores=64, gpus=0, ram=256.0, ..., price=2.5)
    fitted((50, 0.31), (500, 2.4))                  Fit(per_row=0.00464, fixed=0.078, short=False, ask=0)

Nothing here looks at a corpus or at this machine.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from ...errors import UsageError, nearest

MOST_ROWS = 10**15
SHORT_SECONDS = 0.1
"""Two sizes of a sample whose times differ by less say nothing of a rate."""
_SIZE = re.compile(r"([0-9]+(?:_[0-9]+)*)(?:\.([0-9]+))?(?:[eE]\+?([0-9]{1,2}))?([kKmMbBgGtT]?)")
_POWERS = {"": 0, "k": 3, "m": 6, "b": 9, "g": 9, "t": 12}
_MOST = {"cores": 100_000, "gpus": 1_000, "ram": 1e6, "disk": 1e9, "net": 1e5, "price": 1e6}

Growth = Literal["n", "n log n"]
Basis = Literal["measured", "corpus", "given", "stated", "assumed"]
"""measured: by this command. corpus: durations that the corpus kept of its own making. given: typed. stated: by the
documentation of the stage, as the sample was too small. assumed: none of these."""


def rows_of(text: str) -> int:
    """A number of candidates. UsageError for what is no whole number from 1 to 1e15."""
    found = _SIZE.fullmatch(text.strip()) if text.isascii() and len(text) <= 40 else None
    if found is None:
        raise UsageError(f"--rows {text[:40]!r} is no number of rows", "as 1e9, 12_800_000, 400M or 5B")
    whole, part, power, word = found.groups()
    value = Decimal(f"{whole.replace('_', '')}.{part or 0}e{int(power or 0) + _POWERS[word.lower()]}")
    if value != value.to_integral_value() or not 1 <= value <= MOST_ROWS:
        raise UsageError(f"--rows {text!r} is no whole number from 1 to 1e15", "as 1e9, 12_800_000, 400M or 5B")
    return int(value)


@dataclass(frozen=True)
class Machine:
    """ram and disk in GB, net in Gbit/s both ways, price for an hour in any currency. None: not said."""

    cores: int
    gpus: int = 0
    ram: float = 64.0
    disk: float = 1_000.0
    net: float = 10.0
    price: float | None = None
    name: str = ""

    def words(self) -> str:
        said = (
            f"{self.cores} cores, {self.gpus} GPUs, {self.ram:g} GB memory, {self.disk:g} GB disk, {self.net:g} Gbit/s"
        )
        return (f"{self.name}: " if self.name else "") + said


DEFAULT_MACHINE = Machine(cores=16)


def machine_of(text: str) -> Machine:
    """A machine as `cores=64,gpus=0,ram=256,disk=2000,net=25,price=2.5,name=big`; what is left away is the default's.

    UsageError for unknown or repeated words, and for numbers that no machine has.
    """
    found: dict[str, float] = {}
    name = ""
    for part in text.split(","):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not equals:
            raise UsageError(f"--machine: {part!r} is not key=value", "as cores=64,gpus=0,ram=256,net=25,price=2.5")
        if key in found or (key == "name" and name):
            raise UsageError(f"--machine: {key} is there twice", "say it once")
        if key == "name" and re.fullmatch(r"[\w.-]{1,40}", value):
            name = value
            continue
        if key not in _MOST:
            raise UsageError(f"--machine: no key {key!r}" if key != "name" else f"--machine: no name {value!r}",
                             nearest(key, [*_MOST, "name"]))  # fmt: skip
        found[key] = _amount(key, value)
    price = found.pop("price", None)
    default = DEFAULT_MACHINE
    return Machine(
        cores=int(found.get("cores", default.cores)),
        gpus=int(found.get("gpus", default.gpus)),
        ram=found.get("ram", default.ram),
        disk=found.get("disk", default.disk),
        net=found.get("net", default.net),
        price=price,
        name=name,
    )


def _amount(key: str, text: str) -> float:
    counted = key in ("cores", "gpus")
    least = 1 if key == "cores" else 0
    wanted = (
        f"a {'whole ' if counted else ''}number {'from 1' if key == 'cores' else 'from 0' if counted else 'above 0'}"
    )
    try:
        value = float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) and len(text) <= 20 else math.nan
    except ValueError:
        value = math.nan
    good = value == int(value) and value >= least if counted and math.isfinite(value) else value > 0 or key == "price"
    if not (math.isfinite(value) and good and value <= _MOST[key]):
        raise UsageError(f"--machine: {key} {text[:40]!r} is not {wanted} to {_MOST[key]:g}", "as cores=64,ram=256")
    return value


@dataclass(frozen=True)
class Fit:
    """Seconds (or bytes) a row, and what is there whatever the rows. short: the two sizes differ too little to tell the
    two apart; all is then laid to the rows, which is more than it can be. ask: the rows to sample instead."""

    per_row: float
    fixed: float
    short: bool = False
    ask: int = 0


def fitted(small: tuple[int, float], whole: tuple[int, float], *, least: float = SHORT_SECONDS) -> Fit:
    """The line through two points (rows, amount); amounts that differ by less than `least` are short."""
    (few, less), (many, more) = small, whole
    rise = more - less
    if many > few and rise >= least:
        per_row = rise / (many - few)
        fixed = max(0.0, less - per_row * few)
        return Fit(per_row, fixed)
    if many <= 0:
        return Fit(0.0, max(0.0, more), short=True)
    wanted = many * max(2.0, min(1000.0, least / max(rise, least / 1000)))
    return Fit(max(more, 0.0) / many, 0.0, short=True, ask=_rounded_up(wanted))


def _rounded_up(value: float) -> int:
    """To one digit."""
    power = 10 ** math.floor(math.log10(value))
    return int(math.ceil(value / power - 1e-9) * power)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one stage took of a sample.

    sampled: candidates in the sample; seen, kept: rows of the stage among them. per_row: seconds of a core, or of a GPU
    where `gpu`, for a row that it sees; None: not known. serial_row: the part of it that one worker has to do alone.
    start: seconds before a worker's first row. wall_row: seconds of a worker for a row, waiting included. bytes_row,
    bytes_shard: disk for a row, and beside it for a shard; files, files_once: objects of a shard, and of all shards
    together. follows: the layer whose files it reads. fetched_row: bytes from the network. memory: a worker's greatest,
    bytes. growth: of the time of a reduction; memory_row, memory_flat: bytes of its memory for a row, and at least.
    short, ask: as of Fit.
    """

    stage: str
    label: str
    layer: str
    basis: Basis
    why: str
    sampled: int
    seen: int
    kept: int
    per_row: float | None
    serial_row: float = 0.0
    wall_row: float | None = None
    start: float = 0.0
    gpu: bool = False
    device: str = "CPU"
    bytes_row: float = 0.0
    bytes_shard: float = 0.0
    files: int = 0
    files_once: int = 0
    follows: str | None = None
    fetched_row: float = 0.0
    memory: int | None = None
    reduction: bool = False
    growth: Growth = "n"
    memory_row: float = 0.0
    memory_flat: float = 0.0
    short: bool = False
    ask: int = 0
