from __future__ import annotations

import subprocess
import sys

from tests.images.drawn import photo, saved

SCRIPT = """
import os, sys
from vlcorpus.images.decode import Decoded, decode
from vlcorpus.images.hush import c_libraries_silenced

body = sys.stdin.buffer.read()
if sys.argv[1] == "hushed":
    with c_libraries_silenced():
        assert isinstance(decode(body), Decoded)
        print("said inside", file=sys.stderr)
else:
    assert isinstance(decode(body), Decoded)
os.write(2, b"said after\\n")
"""


def said(how: str) -> str:
    body = saved(photo(1), "JPEG")
    odd = body[: len(body) // 2] + b"\xff\xd9"
    done = subprocess.run([sys.executable, "-c", SCRIPT, how], input=odd, capture_output=True, check=True)
    return done.stderr.decode()


def test_only_c_libraries_fall_silent() -> None:
    assert "Corrupt JPEG data" in said("as ever")
    assert said("hushed").split("\n") == ["said inside", "said after", ""]
