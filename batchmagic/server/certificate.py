"""The certificate that the server shows: one that was given, or one of its own, made at the first start.

For its own it keeps a small authority in the workspace. Callers trust that once; the certificate below it is renewed
without their noticing.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import os
import re
import socket
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from batchmagic.certificates import Signed, fingerprint, names_of, new_authority, new_certificate
from batchmagic.errors import ValidationException
from batchmagic.server.hosts import ANY_HOST
from batchmagic.workspace.folders import private_folder, write_private
from batchmagic.workspace.turn import turn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

LIFETIME = dt.timedelta(days=365)
"""Browsers refuse certificates that are good for more than 398 days."""
RENEWED_BEFORE = dt.timedelta(days=30)
_AUTHORITY_LIFETIME = dt.timedelta(days=3650)
_AUTHORITY, _AUTHORITY_KEY, _CERTIFICATE, _KEY = "ca.pem", "ca-key.pem", "cert.pem", "key.pem"
_LABEL = r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerCertificate:
    """What a server needs to speak TLS, and its callers to trust it.

    Attributes
    ----------
    certificate, key
        PEM files.
    authority
        The file with what callers must trust; None where the certificate was signed by somebody else.
    fingerprint
        SHA-256 of the certificate.
    names
        Host names and addresses that it is good for.
    change
        What has just been made or renewed and why, in words; empty for what was there.
    """

    certificate: Path
    key: Path
    authority: Path | None
    fingerprint: str
    names: tuple[str, ...]
    expires_at: dt.datetime
    change: str = ""


def names_for(host: str, public_url: str | None = None) -> list[str]:
    """Return the names and addresses by which callers may know a server that is bound to `host`."""
    own = socket.gethostname()
    addresses = _local_addresses() if host in ANY_HOST else [host]
    public = urlsplit(public_url).hostname if public_url else None
    found = ["localhost", own, socket.getfqdn(own), "127.0.0.1", "::1", *addresses, public or ""]
    return list(dict.fromkeys(name for name in map(_plain, found) if name))


def own_certificate(folder: Path, names: Sequence[str]) -> ServerCertificate:
    """Return the server's own certificate, which then lies in `folder`, private, and is good for `names`.

    It is made anew when it is not there, cannot be used, is good for less than 30 days, or lacks a name; the
    authority stays as long as it can be used, so that callers who trust it notice nothing.
    """
    private_folder(folder)
    with turn(folder / "lock"):
        return _own_certificate(folder, names)


def _own_certificate(folder: Path, names: Sequence[str]) -> ServerCertificate:
    authority = _read(folder / _AUTHORITY, folder / _AUTHORITY_KEY)
    change = ""
    if authority is None or _days_left(authority.certificate) < LIFETIME:
        change = "made a certificate authority; callers must trust its file"
        authority = new_authority(f"batchmagic on {socket.gethostname()}"[:64], lifetime=_AUTHORITY_LIFETIME)
        # The key first: whatever ends this between the two, they never look like a pair that they are not.
        write_private(folder / _AUTHORITY_KEY, authority.key_pem())
        write_private(folder / _AUTHORITY, authority.certificate_pem())
    found = _read(folder / _CERTIFICATE, folder / _KEY)
    reason = _why_renew(found, authority, names)
    if found is None or reason:
        change = change or f"made a certificate: {reason}"
        found = new_certificate(
            authority, "batchmagic server", names=names, lifetime=LIFETIME, for_clients=False
        )
        write_private(folder / _KEY, found.key_pem())
        write_private(folder / _CERTIFICATE, found.certificate_pem())
    return _described(
        found.certificate,
        folder / _CERTIFICATE,
        folder / _KEY,
        authority=folder / _AUTHORITY,
        change=change,
    )


def given_certificate(certfile: Path, keyfile: Path | None) -> ServerCertificate:
    """Return the certificate that was given, which then is known to work.

    Parameters
    ----------
    certfile
        PEM: the certificate, then those between it and its authority.
    keyfile
        PEM; None if the key stands in `certfile` too.

    Raises
    ------
    ValidationException
        If one cannot be read, is encrypted or open to everybody, has expired, or is not for the other.
    """
    keyfile = keyfile or certfile
    certificate, key = _given_certificate(certfile), _given_key(keyfile)
    now = dt.datetime.now(dt.UTC)
    if certificate.not_valid_after_utc <= now:
        reason = f"has expired on {certificate.not_valid_after_utc:%d %B %Y}"
        raise _refused("--certfile", certfile, reason, "Renew it, or leave it out: one is made then.")
    if certificate.not_valid_before_utc > now:
        reason = f"is not valid before {certificate.not_valid_before_utc:%d %B %Y %H:%M} UTC"
        raise _refused("--certfile", certfile, reason, "Look at the clock of this machine.")
    if certificate.public_key() != key.public_key():
        reason = f"is not the key of the certificate in {certfile}"
        raise _refused("--keyfile", keyfile, reason, "Give the two that were made together.")
    is_own_authority = certificate.issuer == certificate.subject
    return _described(certificate, certfile, keyfile, authority=certfile if is_own_authority else None)


def _plain(name: str) -> str:
    """Return a name as certificates have it; nothing for what cannot stand in one."""
    bare = name.partition("%")[0]
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(bare))
    with contextlib.suppress(UnicodeError):
        ascii_name = bare.rstrip(".").encode("idna").decode("ascii").lower()
        return ascii_name if _HOST_NAME.fullmatch(ascii_name) else ""
    return ""


def _local_addresses() -> Iterator[str]:
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family in {socket.AF_INET, socket.AF_INET6} and "%" not in one.address:
                yield one.address


def _days_left(certificate: x509.Certificate) -> dt.timedelta:
    return certificate.not_valid_after_utc - dt.datetime.now(dt.UTC)


def _why_renew(found: Signed | None, authority: Signed, names: Sequence[str]) -> str:
    if found is None:
        return "there was none that can be used"
    try:
        found.certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return "the other was signed by another authority"
    if _days_left(found.certificate) < RENEWED_BEFORE:
        return f"the other expires on {found.certificate.not_valid_after_utc:%d %B %Y}"
    missing = [name for name in names if name not in names_of(found.certificate)]
    return f"the other is not for {', '.join(missing)}" if missing else ""


def _read(certificate: Path, key: Path) -> Signed | None:
    """Return what lies in two files of ours; None if that is nothing, or of no use."""
    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        its_key = load_pem_private_key(key.read_bytes(), password=None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    is_pair = isinstance(its_key, EllipticCurvePrivateKey) and its_key.public_key() == found.public_key()
    return Signed(found, its_key) if is_pair and isinstance(its_key, EllipticCurvePrivateKey) else None


def _described(
    certificate: x509.Certificate, file: Path, key: Path, *, authority: Path | None, change: str = ""
) -> ServerCertificate:
    return ServerCertificate(
        certificate=file,
        key=key,
        authority=authority,
        fingerprint=fingerprint(certificate),
        names=tuple(names_of(certificate)),
        expires_at=certificate.not_valid_after_utc,
        change=change,
    )


def _given_certificate(file: Path) -> x509.Certificate:
    content = _content("--certfile", file)
    try:
        return x509.load_pem_x509_certificates(content)[0]
    except ValueError:
        hint = "It begins with -----BEGIN CERTIFICATE-----."
        raise _refused("--certfile", file, "holds no certificate in PEM form", hint) from None


def _given_key(file: Path) -> PrivateKeyTypes:
    content = _content("--keyfile", file)
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError:
        hint = f"Take the password off: openssl pkey -in {file} -out key.pem"
        raise _refused("--keyfile", file, "is encrypted", hint) from None
    except ValueError:
        hint = "It begins with -----BEGIN PRIVATE KEY-----."
        raise _refused("--keyfile", file, "holds no private key in PEM form", hint) from None
    if file.stat().st_mode & stat.S_IROTH:
        hint = f"Whoever reads it can pass for this server: chmod o-rwx {file}"
        raise _refused("--keyfile", file, "can be read by everybody on this machine", hint)
    return key


def _content(field: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _refused(field, file, f"cannot be read: {os.strerror(error.errno or 0)}", "") from None


def _refused(field: str, file: Path, reason: str, hint: str) -> ValidationException:
    return ValidationException(field=field, value=str(file), reason=reason, hint=hint)
