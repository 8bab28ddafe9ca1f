"""An image encoder and a text encoder that are never trained: what heads are put on.

    >>> frozen = open("image=timm:resnet50,text=hf:distilbert/distilbert-base-uncased", download=True)
    >>> squares = np.stack([frozen.preprocess(rgb) for rgb in photos])          # (N, 3, 224, 224) uint8
    >>> image_NF = frozen.image_features(squares)                               # (N, 2048) float16
    >>> text_NG = frozen.text_features(["a dog", "a cat"])                      # (2, 768) float16

| image | text |
|---|---|
| `timm:…` (see timm_tower) | `hf:…` or a folder: an encoder of words as transformers has it (their mean), or as below |
| what `clip.model.load` takes and has an image tower | what it takes: its text tower |

Features are what the encoder gives, at no length of its own. Pictures go through in blocks of one size, texts in blocks
of texts as long as they are: a row never hangs on what it came with. That costs one picture the time of eight.

An encoder is known by a digest of weights, settings, tokenizer and pixels. `about()` is what a probe keeps: where an
encoder was read from a path, the path stays on this machine (known), for a probe may come from a stranger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vlcorpus.clip import huggingface, known, model, timm_tower, two
from vlcorpus.clip.encoder import ImageTower, TextTower, same_bits
from vlcorpus.clip.preprocess import prepare
from vlcorpus.clip.references import OPEN_CLIP_SETTINGS, PROBE_SETTINGS
from vlcorpus.clip.weights import digest
from vlcorpus.errors import SourceError, UsageError

FORMAT = 1
"""Of features: another number where the same encoder would give others."""

_PICTURES = {"cpu": 8, "cuda": 256}
_TEXTS = {"cpu": 16, "cuda": 128}
_AT_ONCE = 4096  # texts that are sorted by length together
_HIGHEST = float(np.finfo(np.float16).max)
_TOKENIZER = ("*token*.json", "vocab.*", "merges.txt", "*.model", "special_tokens_map.json")
_NOISE = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


@dataclass(frozen=True)
class Named:
    """One of the two encoders."""

    reference: str
    name: str
    digest: str
    """sha256: of all that its features hang on"""
    dimension: int

    def about(self) -> dict[str, Any]:
        local = known.is_local(self.reference)
        return {"reference": None if local else self.reference, "name": self.name, "digest": self.digest,
                "dimension": self.dimension}  # fmt: skip


class Frozen:
    """Both encoders on one device."""

    def __init__(
        self, image: Named, text: Named, towers: tuple[ImageTower, TextTower], whole: bool, place: torch.device
    ) -> None:
        self.image, self.text = image, text
        self.how = towers[0].how
        self.image_size = self.how.size
        self.image_dimension, self.text_dimension = image.dimension, text.dimension
        self.preprocessing_key = self.how.pixels
        self.key = f"{image.digest[:32]}-{text.digest[:32]}-{FORMAT}"
        """Equal keys give equal features"""
        self.device = place
        self._towers = towers
        self._whole = whole
        """Whether texts stay as long as the tokenizer made them"""

    def preprocess(self, rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 to (3, S, S) uint8."""
        return prepare(rgb, self.how)

    def image_features(self, batch: NDArray[np.uint8]) -> NDArray[np.float16]:
        """(N, 3, S, S) uint8 to (N, F); numbers beyond float16 are its largest, a row that failed is NaN."""
        size = self.image_size
        if batch.dtype != np.uint8 or batch.shape[1:] != (3, size, size):
            raise ValueError(f"images are (N, 3, {size}, {size}) uint8, not {batch.shape} {batch.dtype}")
        if not len(batch):
            return np.zeros((0, self.image_dimension), np.float16)
        most = _PICTURES.get(self.device.type, 64)
        parts = [self.image_rows(part.to(self.device)).cpu() for part in torch.split(torch.as_tensor(batch), most)]
        found: NDArray[np.float16] = torch.cat(parts).numpy()
        return found

    def text_features(self, texts: Sequence[str]) -> NDArray[np.float16]:
        """N texts to (N, G); longer ones than the encoder reads are cut."""
        parts = [np.zeros((0, self.text_dimension), np.float16)]
        for start in range(0, len(texts), _AT_ONCE):
            tokens = self.tokenize(texts[start : start + _AT_ONCE])
            parts.append(self.text_rows(tokens.to(self.device)).cpu().numpy())
        return np.concatenate(parts)

    def tokenize(self, texts: Sequence[str]) -> Tensor:
        return self._towers[1].tokenize(list(texts))

    def image_rows(self, batch: Tensor) -> Tensor:
        """As `image_features`, of and to tensors on the device."""
        return self._blocks(batch, self._towers[0].forward, _PICTURES)

    def text_rows(self, tokens: Tensor) -> Tensor:
        """As `text_features` of what `tokenize` gave, on the device."""
        forward = self._towers[1].forward
        if self._whole or tokens.ndim != 3:
            return self._blocks(tokens, forward, _TEXTS)
        found: Tensor | None = None
        for where, part in _by_length(tokens):
            rows = self._blocks(part, forward, _TEXTS)
            found = rows.new_empty((len(tokens), rows.shape[1])) if found is None else found
            found[where] = rows
        assert found is not None
        return found

    def about(self) -> dict[str, Any]:
        """What a probe keeps of its encoders: JSON values, and no paths."""
        pixels = {"image_size": self.image_size, "preprocessing": self.how.as_dict()}
        return {"format": FORMAT, "image": self.image.about() | pixels, "text": self.text.about()}

    def weights_digest(self) -> str:
        """Of every parameter and buffer, as they are now."""
        total = hashlib.sha256()
        for tower in self._towers:
            assert tower.module is not None
            total.update(digest(tower.module.state_dict()).encode())
        return total.hexdigest()

    def _blocks(self, batch: Tensor, forward: Callable[[Tensor], Tensor], sizes: Mapping[str, int]) -> Tensor:
        block = sizes.get(self.device.type, 64)
        parts = []
        with torch.inference_mode(), same_bits(self.device):
            for part in torch.split(batch, block):
                lacking = block - len(part)
                whole = torch.cat([part, part[-1:].expand(lacking, *part.shape[1:])]) if lacking else part
                parts.append(forward(whole)[: len(part)].float())
            # Not as float16: autocast to bf16 joins none.
            return _halves(torch.cat(parts))


def open(
    reference: str,
    *,
    device: str = "cpu",
    cache_dir: str | Path | None = None,
    download: bool = False,
) -> Frozen:
    """Both encoders of `image=REFERENCE,text=REFERENCE`.

    Raises UsageError for words that mean nothing, SourceError for weights that are missing or damaged.
    """
    parts = two.towers(reference)
    if len(parts) != 2:
        raise UsageError(f"{reference!r} names one encoder", "write image=REFERENCE,text=REFERENCE")
    return _opened(parts, device, cache_dir, download)


def _opened(parts: Sequence[str], device: str, cache_dir: str | Path | None, download: bool) -> Frozen:
    place = model.places(device)[0]
    image, image_tower = _image(parts[0], place, cache_dir, download)
    text, text_tower, whole = _text(parts[1], place, cache_dir, download)
    for named in (image, text):
        known.remember(named.digest, named.reference)
    return Frozen(image, text, (image_tower, text_tower), whole, place)


def reopen(
    about: Mapping[str, Any],
    *,
    device: str = "cpu",
    cache_dir: str | Path | None = None,
    download: bool = False,
) -> Frozen:
    """The encoders that a probe was trained on. VLCORPUS_FROZEN names them where this machine does not know them.

    Raises SourceError for encoders that are not here, or are other ones now.
    """
    check_about(about)
    parts = known.named() or [known.find(about[side]) for side in ("image", "text")]
    frozen = _opened(parts, device, cache_dir, download)
    for side, found in (("image", frozen.image), ("text", frozen.text)):
        if found.digest != about[side]["digest"]:
            raise SourceError(
                f"the {side} encoder {found.name} is another than the probe was trained on",
                f"its digest is {found.digest[:8]}, and {about[side]['digest'][:8]} is wanted; {known.HINT}",
            )
    if frozen.about()["image"]["preprocessing"] != about["image"]["preprocessing"]:
        raise SourceError("the probe's pixels are not those of its image encoder", "train the probe again")
    return frozen


def check_about(about: Any) -> None:
    """Raises SourceError for what no `Frozen.about` gives."""
    if not isinstance(about, Mapping) or about.get("format") != FORMAT:
        found = about.get("format") if isinstance(about, Mapping) else about
        raise SourceError(f"the probe's encoders have format {found!r:.60}", f"this version reads {FORMAT}")
    for side in ("image", "text"):
        known.check(side, about.get(side))
    size, how = about["image"].get("image_size"), about["image"].get("preprocessing")
    if type(size) is not int or not 8 <= size <= 4096 or not isinstance(how, Mapping):
        raise SourceError(f"the probe's image encoder has pictures of {size!r:.60}", "train the probe again")


def _image(reference: str, place: torch.device, cache: str | Path | None, download: bool) -> tuple[Named, ImageTower]:
    if reference.startswith(timm_tower.LEAD):
        made = timm_tower.build(reference, place, cache, download=download)
        tower, name, mark = made.tower, made.name, made.digest
    else:
        read = model.read(reference, cache, download)
        if read.how is None:
            raise UsageError(f"{reference} has no image tower", "name one: image=timm:resnet50")
        mark, name = _mark(read), read.located.name
        built, _ = model.towers_of(read, place, cache)
        assert built is not None
        tower = built
    square = torch.zeros((1, 3, tower.how.size, tower.how.size), dtype=torch.uint8, device=place)
    with torch.inference_mode():
        dimension = tower.forward(square).shape[1]
    return Named(reference, name, mark, dimension), tower


def _text(
    reference: str, place: torch.device, cache: str | Path | None, download: bool
) -> tuple[Named, TextTower, bool]:
    if reference.startswith(timm_tower.LEAD):
        raise UsageError(f"{reference} reads no texts", "name an encoder of words: text=hf:ORG/REPO")
    folder = Path(reference)
    if (folder / "config.json").is_file() and not any(
        (folder / name).is_file() for name in (PROBE_SETTINGS, OPEN_CLIP_SETTINGS)
    ):
        reference = huggingface.LEAD + str(folder.resolve())
    if reference.startswith(huggingface.LEAD):
        cache_name = str(cache) if cache is not None else None
        try:
            huggingface.library(reference)
        except SourceError as error:
            raise SourceError(error.message, timm_tower.EXTRA) from error
        read = model.filled(huggingface.locate(reference, cache_name, download, words=True))
    else:
        read = model.read(reference, cache, download)
    mark = _mark(read)
    _, tower = model.towers_of(read, place, cache)
    with torch.inference_mode():
        dimension = tower.forward(tower.tokenize(["a"]).to(place)).shape[1]
    # SigLIP was trained with texts of one length, padding and all.
    whole = read.located.settings.get("model_type") == "siglip"
    return Named(reference, read.located.name, mark, dimension), tower, whole


def _mark(read: model.Read) -> str:
    """All that features hang on: weights alone do not say how many heads they are parted into, nor what a token is."""
    located = read.located
    if located.kind == "heads":
        raise UsageError(f"{located.reference} is a probe of heads on other encoders", "name the encoders themselves")
    parts: dict[str, Any] = {"digest": read.digest}
    if located.kind != "probe":
        parts["settings"] = {name: value for name, value in located.settings.items() if name not in _NOISE}
    if located.kind in ("transformers", "sentence"):
        folder = Path(located.base)
        files = sorted({path for pattern in _TOKENIZER for path in folder.glob(pattern) if path.is_file()})
        parts["tokenizer"] = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _by_length(tokens: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """(N, 2, L) numbers and which are there, parted into rows of one length, without padding, and where they were."""
    there = tokens[:, 1] != 0
    length_N = there.sum(1).clamp(min=1)
    # Padding may stand on either side: what is there comes first.
    order = torch.argsort((~there).to(torch.uint8), dim=1, stable=True)
    front = tokens.gather(2, order.unsqueeze(1).expand(-1, 2, -1))
    for length in sorted(set(length_N.tolist())):
        where = (length_N == length).nonzero()[:, 0]
        yield where, front[where, :, :length]


def _halves(rows: Tensor) -> Tensor:
    rows = rows.float()
    return torch.where(torch.isfinite(rows), rows.clamp(-_HIGHEST, _HIGHEST), float("nan")).half()
