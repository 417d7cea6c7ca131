"""Check that a PEM file can be served: certificate and key match, and it is valid now."""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pratique.clock import utc_now
from pratique.errors import DataError, DeniedError, MissingError

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_ENCRYPTED = re.compile(r"BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED")
_EXPIRED, _NOT_YET = 10, 9
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID."""


def certificate_state(path: Path, *, warn_days: float) -> str:
    """Return how long a certificate is valid.

    warn_days: fewer days before its end are a problem. Raises: MissingError, DeniedError, DataError.
    """
    ends = certificate_end(path)
    left = ends - utc_now()
    days = left / timedelta(days=1)
    if days < warn_days:
        raise DataError(f"{str(path)!r} expires in {days:.1f} days: renew it")
    return f"{path} contains its key and is valid until {ends:%Y-%m-%d} ({days:.0f} days)"


def certificate_end(path: Path) -> datetime:
    """Return when a certificate expires, UTC, after a TLS handshake with it.

    Raises: MissingError (no such file), DeniedError (not readable), DataError (no certificate or key, a key of
    another certificate, a key with a password, expired, not valid yet).
    """
    text = _read(path)
    certificates = "\n".join(_CERTIFICATE.findall(text))
    if not certificates:
        raise DataError(f"{str(path)!r} contains no certificate: write certificate chain and key as PEM")
    if "PRIVATE KEY-----" not in text:
        raise DataError(f"{str(path)!r} contains no key: add the private key of the certificate")
    if _ENCRYPTED.search(text):
        raise DataError(f"{str(path)!r} has a key with a password, which HAProxy cannot ask for: remove the password")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    # the certificate is trusted as it is: who signed it does not matter here
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        # with a password, even an empty one, OpenSSL never asks on the terminal
        server.load_cert_chain(path, password=b"")
        client.load_verify_locations(cadata=certificates)
        return _end_of(server, client)
    except ssl.SSLCertVerificationError as error:
        raise DataError(f"{str(path)!r} {_why(error)}") from error
    except ssl.SSLError as error:
        raise DataError(f"{str(path)!r} cannot be served: {_reason(error)}") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        raise MissingError(f"{str(path)!r} does not exist: write certificate chain and key there, as PEM") from None
    except OSError as error:
        raise DeniedError(f"{str(path)!r} cannot be read: {error.strerror}") from error


def _end_of(server: ssl.SSLContext, client: ssl.SSLContext) -> datetime:
    """Run a TLS handshake in memory; return the end of the server's certificate."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    asked = client.wrap_bio(to_client, to_server)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    done: set[ssl.SSLObject] = set()
    while len(done) < 2:
        for end in (asked, answering):
            try:
                end.do_handshake()
                done.add(end)
            except ssl.SSLWantReadError:
                continue
    found = asked.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)


def _why(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "has expired: renew it"
    if error.verify_code == _NOT_YET:
        return "is not valid yet: check the clock, or wait"
    return f"is refused by TLS clients: {error.verify_message}"


def _reason(error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return "its key belongs to another certificate"
    return f"certificate or key is damaged ({error.reason or 'PEM'})"
