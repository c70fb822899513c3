"""The identity of one cluster: only who can read these files may talk to its scheduler and workers."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.x509 import Certificate, CertificateBuilder
    from distributed.security import Security

_LIFETIME = dt.timedelta(days=3650)
"""A host makes a new identity each time it starts; nothing renews it while the host lives."""
_CLOCK_SKEW = dt.timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """The files of a cluster's identity, all PEM and readable by the owner only."""

    authority: Path
    certificate: Path
    key: Path

    def security(self) -> Security:
        """Return what makes a scheduler, worker or client of this cluster; nothing unencrypted is accepted."""
        from distributed.security import Security  # noqa: PLC0415  # heavy

        certificate, key = str(self.certificate), str(self.key)
        return Security(
            require_encryption=True,
            tls_ca_file=str(self.authority),
            tls_client_cert=certificate,
            tls_client_key=key,
            tls_scheduler_cert=certificate,
            tls_scheduler_key=key,
            tls_worker_cert=certificate,
            tls_worker_key=key,
        )

    def worker_variables(self) -> dict[str, str]:
        """Return the environment variables by which a worker process finds its identity."""
        return {
            "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
            "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(self.authority),
            "DASK_DISTRIBUTED__COMM__TLS__WORKER__CERT": str(self.certificate),
            "DASK_DISTRIBUTED__COMM__TLS__WORKER__KEY": str(self.key),
        }


def issue(folder: Path) -> Credentials:
    """Put the identity of a new cluster into `folder` and return it; an older one there is void.

    A certificate authority is made for this cluster alone and signs one certificate, which all of
    its members show. The authority's own key is kept nowhere.
    """
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415  # heavy
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _describe("batchmagic authority", "batchmagic authority", is_authority=True)
    member = _describe("batchmagic cluster", "batchmagic authority", is_authority=False)
    signed_authority: Certificate = authority.public_key(authority_key.public_key()).sign(
        authority_key, hashes.SHA256()
    )
    signed: Certificate = member.public_key(key.public_key()).sign(authority_key, hashes.SHA256())

    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = Credentials(authority=folder / "ca.pem", certificate=folder / "cert.pem", key=folder / "key.pem")
    _write(found.authority, signed_authority.public_bytes(pem))
    _write(found.certificate, signed.public_bytes(pem))
    _write(found.key, private)
    return found


def _describe(subject: str, issuer: str, *, is_authority: bool) -> CertificateBuilder:
    from cryptography import x509  # noqa: PLC0415  # heavy
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    now = dt.datetime.now(tz=dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(
            x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True
        )
    )
    if is_authority:
        return builder
    return builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("batchmagic")]), critical=False)


def _write(file: Path, content: bytes) -> None:
    """Replace `file`; at no moment can anybody else read it, nor anybody half of it."""
    draft = file.with_name(file.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(content)
    draft.replace(file)
