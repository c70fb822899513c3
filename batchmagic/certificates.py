"""Making certificates: a small authority, and what it signs. Everything is PEM; nothing is written here."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, GeneralName, KeyUsage

_CLOCK_SKEW = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate with its private key."""

    certificate: Certificate
    key: EllipticCurvePrivateKey

    def certificate_pem(self) -> bytes:
        """Return the certificate as text."""
        from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415  # heavy

        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self) -> bytes:
        """Return the private key as text, which is not encrypted."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415  # heavy

        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )


def new_authority(name: str, *, lifetime: dt.timedelta) -> Signed:
    """Return a new authority, which may sign certificates but no further authorities."""
    from cryptography import x509  # noqa: PLC0415  # heavy
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, name, key, lifetime)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return _signed(builder, key, by=key)


def new_certificate(
    authority: Signed, subject: str, *, names: Sequence[str], lifetime: dt.timedelta, for_clients: bool
) -> Signed:
    """Return a new certificate signed by `authority`.

    Parameters
    ----------
    names
        Host names and addresses that it is good for.
    for_clients
        Whether it also tells who a client is; otherwise it is good for servers only.
    """
    from cryptography import x509  # noqa: PLC0415  # heavy
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: PLC0415

    key = ec.generate_private_key(ec.SECP256R1())
    (issuer,) = authority.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, *([ExtendedKeyUsageOID.CLIENT_AUTH] if for_clients else [])]
    # Python 3.13 and later refuse a chain in which the authority's key is not named.
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = _builder(subject, str(issuer.value), key, lifetime)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    builder = builder.add_extension(signer, critical=False)
    builder = builder.add_extension(
        x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
    )
    return _signed(builder, key, by=authority.key)


def names_of(certificate: Certificate) -> list[str]:
    """Return the host names and addresses that a certificate is good for."""
    from cryptography import x509  # noqa: PLC0415  # heavy

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


def fingerprint(certificate: Certificate) -> str:
    """Return its SHA-256 as browsers and openssl show it: pairs of digits with colons between."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  # heavy

    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def _builder(
    subject: str, issuer: str, key: EllipticCurvePrivateKey, lifetime: dt.timedelta
) -> CertificateBuilder:
    from cryptography import x509  # noqa: PLC0415  # heavy
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    now = dt.datetime.now(tz=dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signed(
    builder: CertificateBuilder, key: EllipticCurvePrivateKey, *, by: EllipticCurvePrivateKey
) -> Signed:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  # heavy

    return Signed(builder.sign(by, hashes.SHA256()), key)


def _usage(*, signs_certificates: bool) -> KeyUsage:
    from cryptography import x509  # noqa: PLC0415  # heavy

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> GeneralName:
    from cryptography import x509  # noqa: PLC0415  # heavy

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
