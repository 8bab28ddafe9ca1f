"""What a model is worth, from its vectors alone. Pure functions of arrays; nothing here knows a model or a file.

    >>> zero_shot(image_ND, class_CD, labels_N, scale=100.0).metrics["top1"]
    0.63
    >>> retrieval(image_ND, text_MD, image_of_text_M).metrics["text_to_image_r10"]
    0.87

| file | measures |
|---|---|
| zero_shot | top1, top5, mean_per_class_recall, nll, ece; the worst group's; macro F1 |
| multilabel | map |
| retrieval | recall at 1, 5, 10 both ways, median ranks, auc |
| linear, nearest | a linear probe and nearest neighbours on frozen vectors |
| choice | pair_choice, winoground, association |

Suffixes name shapes: N images, M texts or training rows, C classes, D dimensions. A vector that is not finite is as far
from everything as can be, so its image is a miss and never an error. `Measured.theirs` has the same figures as
CLIP_benchmark 1.6.2 and DataComp define them.
"""

from vlcorpus.probe.measures.choice import association, pair_choice, winoground
from vlcorpus.probe.measures.linear import linear_probe
from vlcorpus.probe.measures.measured import Measured, auc
from vlcorpus.probe.measures.multilabel import multilabel
from vlcorpus.probe.measures.nearest import nearest
from vlcorpus.probe.measures.retrieval import RECALLS, retrieval
from vlcorpus.probe.measures.zero_shot import zero_shot

__all__ = [
    "RECALLS",
    "Measured",
    "association",
    "auc",
    "linear_probe",
    "multilabel",
    "nearest",
    "pair_choice",
    "retrieval",
    "winoground",
    "zero_shot",
]
