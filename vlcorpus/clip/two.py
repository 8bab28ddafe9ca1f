"""Two towers of different origin in one reference: `image=REF,text=REF`.

    towers("ViT-B-32/openai")                                   ("ViT-B-32/openai",)
    towers("image=ViT-B-32/openai,text=hf:org/multilingual")    ("ViT-B-32/openai", "hf:org/multilingual")

Imports nothing heavy: command lines and plans ask this too.
"""

from __future__ import annotations

from vlcorpus.errors import UsageError

_LEADS = ("image=", "text=")


def towers(reference: str) -> tuple[str, ...]:
    """The references of the image and of the text tower where they are named apart, else the reference alone.

    Raises UsageError for one that only begins so.
    """
    if not reference.startswith(_LEADS):
        return (reference,)
    image, comma, text = reference.removeprefix("image=").partition(",text=")
    whole = reference.startswith("image=") and comma and image and text
    if not whole or image.startswith(_LEADS) or text.startswith(_LEADS):
        raise UsageError(f"{reference!r} does not name an image and a text tower", "write image=REF,text=REF")
    return image, text
