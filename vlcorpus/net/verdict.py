"""Curl's error codes and words, as reasons of ours.

reason_of(pycurl.E_COULDNT_CONNECT, "Failed to connect to a.example after 3 ms", answered=False)
                                                    ("connect_failure", "Failed to connect to a.example")
"""

from __future__ import annotations

import re

import pycurl

_REASONS = {
    pycurl.E_URL_MALFORMAT: "bad_url",
    pycurl.E_COULDNT_RESOLVE_HOST: "dns_failure",
    pycurl.E_COULDNT_CONNECT: "connect_failure",
    pycurl.E_OPERATION_TIMEDOUT: "timeout",
    pycurl.E_PARTIAL_FILE: "truncated_body",
    pycurl.E_GOT_NOTHING: "connection_reset",
    pycurl.E_RECV_ERROR: "connection_reset",
    pycurl.E_SEND_ERROR: "connection_reset",
    pycurl.E_ABORTED_BY_CALLBACK: "connection_reset",  # by a wire that would have had to send twice
    pycurl.E_SSL_CONNECT_ERROR: "tls_failure",
    pycurl.E_PEER_FAILED_VERIFICATION: "tls_failure",
    pycurl.E_SSL_CIPHER: "tls_failure",
    pycurl.E_SSL_CERTPROBLEM: "tls_failure",
    pycurl.E_SSL_ISSUER_ERROR: "tls_failure",
    pycurl.E_SSL_CACERT_BADFILE: "tls_failure",
    100: "header_flood",  # CURLE_TOO_LARGE, which pycurl does not name
}

# Two equal fetches give equal words: no "after 3 ms", "after 30001 milliseconds with 12 bytes received".
_TIMES = re.compile(r" after \d+ m(?:illi)?s(?:econds)?(?: with [^:]*)?")


def reason_of(code: int, message: str, answered: bool) -> tuple[str, str]:
    """(reason, message) for curl's code and words; answered: whether the headers came whole."""
    reason = _REASONS.get(code, "bad_response")
    if code == pycurl.E_OPERATION_TIMEDOUT and answered and "too slow" in message:
        reason = "too_slow"
    elif code == pycurl.E_RECV_ERROR and "chunk" in message:
        reason = "bad_response"
    if reason == "bad_response":  # in which words curl says so depends on how the bytes came
        message = "not an answer as HTTP has it"
    return reason, _TIMES.sub("", message)
