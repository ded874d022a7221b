"""What libcurl's errors mean for a pod: its own failure, or ours, which never counts against it.

Knows libcurl's numbers and the words of findings, nothing else.
"""

import errno
from collections.abc import Callable
from typing import Any

import pycurl

from podhealth.core.probe import Finding
from podhealth.probing import findings

# X509_V_ERR_… of OpenSSL, as libcurl hands them on
_EXPIRED, _NOT_YET = 10, 9
_UNTRUSTED = {2, 18, 19, 20, 21, 24, 26, 27, 28}

_TLS_ERRORS = {pycurl.E_SSL_CONNECT_ERROR, pycurl.E_SSL_CIPHER, pycurl.E_SSL_ENGINE_INITFAILED}
_CONNECTION_ERRORS = {pycurl.E_COULDNT_CONNECT, pycurl.E_SEND_ERROR, pycurl.E_RECV_ERROR}
_OUR_ERRORS = {pycurl.E_OUT_OF_MEMORY: "out of memory", pycurl.E_SSL_CACERT_BADFILE: "cannot read the CA certificates"}
_WEIRD_ANSWER = 8  # CURLE_WEIRD_SERVER_REPLY has no name in pycurl
_ANSWERS: dict[int, tuple[Callable[[str, str], Finding], str, str]] = {
    pycurl.E_GOT_NOTHING: (findings.down, "closed", "closed the connection without an answer"),
    pycurl.E_PARTIAL_FILE: (findings.down, "cut_short", "closed the connection in the middle of the answer"),
    pycurl.E_OPERATION_TIMEDOUT: (findings.down, "timeout", "no answer in time"),
    getattr(pycurl, "E_TOO_LARGE", 100): (findings.content, "too_large", "the answer's headers are too large"),
}


def by_curl(curl: Any, number: int, message: str) -> Finding:  # noqa: ANN401 - pycurl has no types
    """Return the finding of a transfer that libcurl gave up; an error not known here is taken for ours."""
    if number in _CONNECTION_ERRORS:
        return _connection(curl, number, message)
    if number == pycurl.E_PEER_FAILED_VERIFICATION:
        return _certificate(curl.getinfo(pycurl.SSL_VERIFYRESULT), message)
    if number in _TLS_ERRORS:
        if curl.getinfo(pycurl.OS_ERRNO) == errno.ECONNRESET:
            return findings.by_errno(errno.ECONNRESET)
        return findings.tls("tls_handshake", f"TLS handshake failed: {message}")
    if number in _ANSWERS:
        make, code, error = _ANSWERS[number]
        return make(code, error)
    if number in (pycurl.E_UNSUPPORTED_PROTOCOL, _WEIRD_ANSWER):
        return findings.content("not_http", f"the answer is not HTTP/1.1: {message}")
    return findings.fault("prober", _OUR_ERRORS.get(number) or f"libcurl error {number}: {message}")


def _connection(curl: Any, number: int, message: str) -> Finding:  # noqa: ANN401
    system = curl.getinfo(pycurl.OS_ERRNO)
    if system:
        return findings.by_errno(system)
    if number == pycurl.E_RECV_ERROR and "header" in message.lower():
        return findings.content("too_large", "the answer's headers are too large")
    if number == pycurl.E_COULDNT_CONNECT:
        return findings.down("refused", "no connection")
    return findings.down("reset", f"connection broken: {message}")


def _certificate(verify_result: int, message: str) -> Finding:
    if verify_result == _EXPIRED:
        return findings.tls("cert_expired", "the certificate has expired")
    if verify_result == _NOT_YET:
        return findings.tls("cert_not_yet", "the certificate is not valid yet")
    if verify_result in _UNTRUSTED:
        return findings.tls("cert_untrusted", "the certificate is not signed by an authority known here")
    if verify_result == 0 or "subject name" in message:  # libcurl compares the name itself
        return findings.tls("cert_name", "the certificate is for another name")
    return findings.tls("cert_invalid", f"the certificate was refused: {message}")
