"""aesthetic: how much people like an image, as LAION's aesthetic predictors foretell it from its CLIP embedding.

    vlcorpus score CORPUS aesthetic --weights sac+logos+ava1-l14-linearMSE.pth

The first (LAION-AI/aesthetic-predictor) is linear, the second (christophschuhmann/improved-aesthetic-predictor) a
perceptron; both rate from 1 to 10 and may exceed it. Their scales differ, so a cut is of one of them. Not a measure of
sharpness or size: a small copy of a fine picture is rated as the picture.
"""

from __future__ import annotations

from .embedding_head import EmbeddingHead


class Aesthetic(EmbeddingHead):
    """Rating by an aesthetic predictor on the image embedding."""

    kind = "aesthetic"
    column = "aesthetic"
