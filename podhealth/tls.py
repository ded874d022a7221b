"""How a far end is recognised: by the system's authorities, by one that was given, or by its fingerprint.

Opens no connection. There is no way to say that any certificate will do.
"""

import os
import ssl
from typing import NamedTuple


class Pin(NamedTuple):
    """What a far end must show, and what it is shown. Nothing set: the system's authorities decide.

    ``ca``: certificates (PEM) that alone are trusted. ``fingerprint``: SHA-256 of the one certificate that will do,
    in hex; its name and dates then say nothing. ``certificate`` and ``key`` (PEM): who we are.
    """

    ca: str | None = None
    fingerprint: str | None = None
    certificate: str | None = None
    key: str | None = None

    @property
    def digest(self) -> str | None:
        """The fingerprint as urllib3 takes it: hex in lower case without colons."""
        return self.fingerprint.replace(":", "").lower() if self.fingerprint else None

    def __repr__(self) -> str:
        return "Pin(…)"  # holds a private key


BY_AUTHORITIES = Pin()


def context(pin: Pin) -> ssl.SSLContext:
    """Return the TLS settings for a pin. Raises ValueError where a certificate or key cannot be used."""
    try:
        if pin.fingerprint:
            # Compared by urllib3 after the handshake and before anything is sent.
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        else:
            made = ssl.create_default_context(cadata=pin.ca)
        if pin.certificate and pin.key:
            _load(made, pin.certificate, pin.key)
    except (ssl.SSLError, OSError) as error:
        raise ValueError(f"the certificate or key cannot be used: {getattr(error, 'reason', None) or error}") from None
    return made


def _load(made: ssl.SSLContext, certificate: str, key: str) -> None:
    # OpenSSL takes a file only; this one is never on a disk.
    held = os.memfd_create("client certificate")
    try:
        os.write(held, f"{certificate}\n{key}\n".encode())
        made.load_cert_chain(f"/proc/self/fd/{held}")
    finally:
        os.close(held)
