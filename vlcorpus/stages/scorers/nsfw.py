"""nsfw: the probability that an image is unsafe, as a detector foretells it from its CLIP embedding.

    vlcorpus score CORPUS nsfw --weights clip_autokeras_binary_nsfw/

LAION's detectors (LAION-AI/CLIP-based-NSFW-Detector) and DataComp's retrained one (mlfoundations/dataset2metadata).
LAION counted as unsafe what is above 0.5; DataComp dropped what is above 0.1. Such a head misses some of what is unsafe
and marks much that is not: a column to rank and to look at, no promise of safety.
"""

from __future__ import annotations

from .embedding_head import EmbeddingHead


class Nsfw(EmbeddingHead):
    """Probability of an unsafe image, by a detector on its embedding."""

    kind = "nsfw"
    column = "unsafe_probability"
