"""vlcorpus: build image-text corpora and know how good they are."""

from __future__ import annotations

__version__ = "0.1.0"
