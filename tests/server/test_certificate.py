"""The server's certificate: the right names, renewed below the same authority, and given ones judged at the start."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import socket
import ssl
import stat
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from batchmagic import certificates
from batchmagic.errors import ValidationException
from batchmagic.server import certificate as module
from batchmagic.server.certificate import given_certificate, names_for, own_certificate
from batchmagic.server.hosts import is_loopback

NAMES = ["localhost", "here", "127.0.0.1", "::1"]


def loaded(found):
    return x509.load_pem_x509_certificate(found.certificate.read_bytes())


def shakes_hands(found, name, *, trusted=None):
    """Connect once as a strict client that trusts `trusted`, and return what it says against the certificate."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(found.certificate, found.key)
    client = ssl.create_default_context(cafile=trusted or found.authority)
    client.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    ours, theirs = socket.socketpair()

    def serve():
        with ours:
            try:
                server.wrap_socket(ours, server_side=True).close()
            except (ssl.SSLError, OSError):
                ours.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with theirs, client.wrap_socket(theirs, server_hostname=name):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    finally:
        theirs.close()
        thread.join()


def test_it_is_good_for_its_names_only_and_for_no_longer_than_browsers_allow(tmp_path):
    found = own_certificate(tmp_path / "tls", NAMES)
    assert [shakes_hands(found, name) for name in NAMES] == [""] * 4
    assert "not valid for 'elsewhere'" in shakes_hands(found, "elsewhere")
    certificate = loaded(found)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc <= dt.timedelta(days=398)
    usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert found.names == tuple(NAMES)
    assert found.change.startswith("made a certificate authority")


def test_the_fingerprint_is_the_one_that_openssl_shows(tmp_path):
    found = own_certificate(tmp_path / "tls", NAMES)
    content = ssl.PEM_cert_to_DER_cert(found.certificate.read_text())
    assert found.fingerprint.replace(":", "").lower() == hashlib.sha256(content).hexdigest()
    assert re.fullmatch("([0-9A-F]{2}:){31}[0-9A-F]{2}", found.fingerprint)


def test_files_are_private_whatever_the_umask_is(tmp_path):
    before = os.umask(0)
    try:
        own_certificate(tmp_path / "tls", NAMES)
    finally:
        os.umask(before)
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in (tmp_path / "tls").iterdir()}
    assert modes == dict.fromkeys(["ca.pem", "ca-key.pem", "cert.pem", "key.pem", "lock"], "0o600")
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_a_second_start_changes_nothing(tmp_path):
    first = own_certificate(tmp_path / "tls", NAMES)
    second = own_certificate(tmp_path / "tls", NAMES[:2])
    assert (second.fingerprint, second.change) == (first.fingerprint, "")


def age(found, days):
    """Put a certificate in the place of `found` that is good for so many days."""
    authority = module._read(found.authority, found.authority.with_name("ca-key.pem"))
    older = certificates.new_certificate(
        authority, "older", names=NAMES, lifetime=dt.timedelta(days=days), for_clients=False
    )
    found.certificate.write_bytes(older.certificate_pem())
    found.key.write_bytes(older.key_pem())


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda found: age(found, 29), "the other expires on"),
        (lambda found: found.key.unlink(), "there was none that can be used"),
        (lambda found: found.certificate.write_text("junk"), "there was none that can be used"),
        (lambda found: found.key.write_bytes(found.key.with_name("ca-key.pem").read_bytes()), "there was none that can be used"),
    ],
    ids=["old", "no key", "junk", "another key"],
)  # fmt: skip
def test_it_is_renewed_below_the_same_authority(tmp_path, damage, why):
    first = own_certificate(tmp_path / "tls", NAMES)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(first.authority.read_bytes())
    damage(first)
    second = own_certificate(tmp_path / "tls", NAMES)
    assert second.fingerprint != first.fingerprint
    assert why in second.change
    assert shakes_hands(second, "localhost", trusted=trusted) == ""


def test_one_that_is_good_for_a_month_and_more_stays(tmp_path):
    age(own_certificate(tmp_path / "tls", NAMES), 31)
    assert own_certificate(tmp_path / "tls", NAMES).change == ""


def test_a_new_name_renews_it_below_the_same_authority(tmp_path):
    first = own_certificate(tmp_path / "tls", NAMES)
    before = first.authority.read_bytes()
    second = own_certificate(tmp_path / "tls", [*NAMES, "batch.example.org"])
    assert "is not for batch.example.org" in second.change
    assert second.authority.read_bytes() == before
    assert shakes_hands(second, "batch.example.org") == ""


@pytest.mark.parametrize("lost", ["ca.pem", "ca-key.pem"])
def test_an_authority_that_is_lost_is_made_anew_with_all_below_it(tmp_path, lost):
    first = own_certificate(tmp_path / "tls", NAMES)
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(first.authority.read_bytes())
    (tmp_path / "tls" / lost).unlink()
    second = own_certificate(tmp_path / "tls", NAMES)
    assert "callers must trust its file" in second.change
    assert shakes_hands(second, "localhost") == ""
    assert shakes_hands(second, "localhost", trusted=trusted) != ""


def test_a_server_is_known_by_all_its_names(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "Build_Box")  # no legal name of a host
    monkeypatch.setattr(socket, "getfqdn", lambda name: "build.example.org.")
    assert names_for("127.0.0.1") == ["localhost", "build.example.org", "127.0.0.1", "::1"]
    given = names_for("192.0.2.7", "https://Bätch.example.org:8443/ml")
    assert given[-2:] == ["192.0.2.7", "xn--btch-loa.example.org"]
    everywhere = names_for("0.0.0.0")
    assert "0.0.0.0" not in everywhere
    assert not [name for name in everywhere if "%" in name]
    assert names_for("fe80::1%eth0")[-1] == "fe80::1"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("LOCALHOST", True),
     ("0.0.0.0", False), ("", False), ("192.0.2.7", False), ("localhost.example.org", False), ("::", False)],
)  # fmt: skip
def test_what_counts_as_loopback(host, expected):
    assert is_loopback(host) is expected


# --- a given certificate


@pytest.fixture
def pair(tmp_path):
    """A good certificate and key of somebody else's authority, as files."""
    authority = certificates.new_authority("theirs", lifetime=dt.timedelta(days=9))

    def write(name="given", days=9):
        made = certificates.new_certificate(
            authority, name, names=["localhost"], lifetime=dt.timedelta(days=days), for_clients=False
        )
        cert, key = tmp_path / f"{name}.crt", tmp_path / f"{name}.key"
        cert.write_bytes(made.certificate_pem())
        key.write_bytes(made.key_pem())
        key.chmod(0o600)
        return cert, key

    return write


def test_a_given_pair_is_taken_in_two_files_or_in_one(pair, tmp_path):
    cert, key = pair()
    found = given_certificate(cert, key)
    assert (found.certificate, found.key, found.authority, found.names) == (cert, key, None, ("localhost",))
    both = tmp_path / "both.pem"
    both.touch(mode=0o600)
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    assert given_certificate(both, None).fingerprint == found.fingerprint


def test_one_that_signed_itself_is_what_callers_trust(tmp_path):
    made = certificates.new_authority("itself", lifetime=dt.timedelta(days=9))
    both = tmp_path / "both.pem"
    both.touch(mode=0o600)
    both.write_bytes(made.certificate_pem() + made.key_pem())
    assert given_certificate(both, None).authority == both


def encrypted(cert, key, pair):
    its_key = module.load_pem_private_key(key.read_bytes(), password=None)
    key.write_bytes(
        its_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )


def unlike(cert, key, pair):
    _, other = pair("other")
    key.write_bytes(other.read_bytes())


def expired(cert, key, pair):
    other = pair("expired", days=-0.5)
    cert.write_bytes(other[0].read_bytes())
    key.write_bytes(other[1].read_bytes())


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda cert, key, pair: cert.unlink(), "--certfile: .*cannot be read: No such file"),
        (lambda cert, key, pair: key.unlink(), "--keyfile: .*cannot be read: No such file"),
        (lambda cert, key, pair: cert.write_text("junk"), "holds no certificate in PEM form"),
        (lambda cert, key, pair: key.write_text("junk"), "holds no private key in PEM form"),
        (lambda cert, key, pair: key.chmod(0o604), "can be read by everybody.*chmod o-rwx"),
        (encrypted, "is encrypted.*openssl pkey"),
        (unlike, "is not the key of the certificate in"),
        (expired, "has expired on"),
    ],
    ids=["no certificate", "no key", "junk", "junk key", "open", "encrypted", "unlike", "expired"],
)
def test_a_given_pair_that_cannot_work_is_refused_with_the_cause(pair, damage, says):
    cert, key = pair()
    damage(cert, key, pair)
    with pytest.raises(ValidationException, match=says) as caught:
        given_certificate(cert, key)
    assert "PRIVATE KEY-----\n" not in str(caught.value)


def test_a_key_without_a_password_can_be_told_from_one_with(pair):
    cert, key = pair()
    its_key = module.load_pem_private_key(key.read_bytes(), password=None)
    key.write_bytes(its_key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    assert given_certificate(cert, key).key == key
