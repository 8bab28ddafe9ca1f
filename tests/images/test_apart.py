"""Images prepared in a child: the same outcome, and a child that crashes or hangs costs one image."""

from __future__ import annotations

import os
import signal

import pytest

from tests.images import drawn
from vlcorpus.images.apart import DECODER_CRASH, Apart
from vlcorpus.images.decode import Refused
from vlcorpus.images.prepare import ImageSettings, prepare

PHOTO = drawn.photo(1)
JPEG = drawn.saved(PHOTO, "JPEG")


def child(apart: Apart) -> int:
    assert apart._child is not None
    return apart._child.pid


def test_the_same_as_in_this_process() -> None:
    bodies = [drawn.saved(PHOTO, kind) for kind in ("JPEG", "PNG", "WEBP")] + [b"", b"<html>", JPEG[:900]]
    with Apart() as apart:
        for settings in (ImageSettings(image_size=32), ImageSettings(image_size=None)):
            for body in bodies:
                assert apart.prepare(body, settings) == prepare(body, settings)


@pytest.mark.parametrize("number, name", [(signal.SIGKILL, "SIGKILL"), (signal.SIGSEGV, "SIGSEGV")])
def test_a_child_that_died_costs_one_image(number: int, name: str) -> None:
    body, settings = JPEG, ImageSettings(image_size=32)
    with Apart() as apart:
        apart.prepare(body, settings)
        os.kill(child(apart), signal.SIGSTOP)
        os.kill(child(apart), number)
        os.kill(child(apart), signal.SIGCONT)
        assert apart.prepare(body, settings) == Refused(DECODER_CRASH, f"the decoder ended with {name}")
        assert apart.prepare(body, settings) == prepare(body, settings)


def test_a_child_that_hangs_is_ended() -> None:
    body, settings = JPEG, ImageSettings(image_size=32)
    with Apart() as apart:
        apart.prepare(body, settings)
        os.kill(child(apart), signal.SIGSTOP)
        apart._seconds = 0.2
        assert apart.prepare(body, settings) == Refused(DECODER_CRASH, "it took more than 0.2 s")
        apart._seconds = 60.0
        assert apart.prepare(body, settings) == prepare(body, settings)
