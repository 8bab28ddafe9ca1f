"""What every way of naming a model comes to: its files on this machine, and how they are had.

    >>> located.kind, located.name, located.tag, located.weights.name
    ('open_clip', 'ViT-B-32', 'openai', 'open_clip_model.safetensors')

Settings are JSON of at most 1 MB. The network is asked only through `fetched`, which says in one line why there is
none.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import urllib.parse
import urllib.request
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlcorpus.clip.encoder import Kind
from vlcorpus.clip.preprocess import Preprocessing
from vlcorpus.errors import SourceError

LOCAL_HINT = (
    "give weights of your own: NAME@/path/to/weights.safetensors, or local-dir:/path with open_clip_config.json"
)
_LARGEST_SETTINGS = 1 << 20


@dataclass(frozen=True)
class Located:
    """A reference whose files are on this machine."""

    reference: str
    kind: Kind
    name: str
    tag: str
    weights: Path
    settings: Mapping[str, Any]
    """open_clip's model_cfg, all of probe.json, or transformers' config.json"""
    preprocessing: Preprocessing | None
    """None for a probe, whose settings say it, and where there is no image tower"""
    base: str = ""
    """What open_clip builds the architecture from (NAME, or local-dir:PATH); transformers' folder"""
    quick_gelu: bool = False
    tokenizer: str = ""
    """What open_clip makes the tokenizer from"""
    dimension: int = 0
    """Of the vectors; 0 where the settings say it"""
    more: tuple[tuple[str, Path], ...] = ()
    """More files of weights, with what stands before their names"""
    also: Mapping[str, Any] = field(default_factory=dict)
    """What else makes vectors other ones, for the slug: activations, pooling (transformers only)"""


class NotHere(SourceError):
    """The weights would have to be downloaded."""


def read_settings(path: Path) -> dict[str, Any]:
    """A JSON object of at most 1 MB."""
    settings = read_json(path)
    if not isinstance(settings, dict):
        raise SourceError(f"{path} holds a {type(settings).__name__}, not an object", "save the model again")
    return settings


def read_json(path: Path) -> Any:
    """JSON of at most 1 MB."""
    try:
        if path.stat().st_size > _LARGEST_SETTINGS:
            raise SourceError(f"{path} has more than {_LARGEST_SETTINGS} bytes", "this is not a model's configuration")
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"{path} cannot be read as JSON: {error}", "save the model again") from error


def fetched(reference: str, fetch: Callable[[], str]) -> Path:
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        if not _hub_has_an_address():
            raise ConnectionError("there is no network")
        return Path(fetch())
    except Exception as error:  # every layer below open_clip has errors of its own for a missing network
        raise NotHere(
            f"{reference} is not on this machine and could not be downloaded: {line(error)}", LOCAL_HINT
        ) from error
    finally:
        log.setLevel(level)


def _hub_has_an_address() -> bool:
    """The hub's own client tries for most of a minute before it gives up; without a name server that is in vain."""
    if urllib.request.getproxies():
        return True
    host = urllib.parse.urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co")).hostname or ""
    try:
        socket.getaddrinfo(host, 443)
    except OSError:
        return False
    return True


def line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """open_clip talks to the root logger, which would make itself a handler, and warns about what we decide here."""
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(silent)
