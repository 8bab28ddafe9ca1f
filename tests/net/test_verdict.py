from __future__ import annotations

import pycurl
import pytest

from vlcorpus.net.response import REASONS
from vlcorpus.net.verdict import reason_of


@pytest.mark.parametrize(
    ("code", "message", "answered", "reason", "words"),
    [
        (
            pycurl.E_COULDNT_CONNECT,
            "Failed to connect to a after 3 ms",
            False,
            "connect_failure",
            "Failed to connect to a",
        ),
        (pycurl.E_OPERATION_TIMEDOUT, "Connection timed out after 30001 milliseconds", False, "timeout", None),
        (pycurl.E_OPERATION_TIMEDOUT, "Operation too slow. Less than 512 bytes/sec", True, "too_slow", None),
        (pycurl.E_OPERATION_TIMEDOUT, "Operation too slow. Less than 512 bytes/sec", False, "timeout", None),
        (pycurl.E_RECV_ERROR, "Recv failure: Connection reset by peer", False, "connection_reset", None),
        (
            pycurl.E_RECV_ERROR,
            "Illegal or missing hexadecimal sequence in chunked-encoding",
            True,
            "bad_response",
            None,
        ),
        (pycurl.E_PEER_FAILED_VERIFICATION, "certificate has expired", False, "tls_failure", "certificate has expired"),
        (100, "Too large response headers", False, "header_flood", None),
        (9999, "anything", False, "bad_response", "not an answer as HTTP has it"),
    ],
)
def test_codes_and_words(code: int, message: str, answered: bool, reason: str, words: str | None) -> None:
    found, said = reason_of(code, message, answered)
    assert found == reason and found in REASONS
    assert not any(letter.isdigit() for letter in said.replace("512", ""))
    assert words is None or said == words
