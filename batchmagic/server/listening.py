"""Where a server listens: its sockets and its TLS."""

from __future__ import annotations

import errno
import os
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tornado.netutil import bind_sockets

from batchmagic.errors import StateError, ValidationException
from batchmagic.server.certificate import (
    given_certificate,
    names_for,
    own_certificate,
)
from batchmagic.server.hosts import is_loopback

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from batchmagic.server.certificate import ServerCertificate
    from batchmagic.workspace import Workspace


def open_sockets(ws: Workspace, host: str, port: int) -> list[socket.socket]:
    """Return the sockets of a server; 0 stands for any port that is free.

    Raises
    ------
    StateError
        If the port is taken; a server of this workspace that has it is named.
    ValidationException
        If this machine has no such address, or the port is not for this user.
    """
    try:
        return bind_sockets(port, host)
    except (OSError, OverflowError) as error:
        raise _refused(ws, host, port, error) from None


def certificate_for(
    ws: Workspace, host: str, *, certfile: Path | None, keyfile: Path | None, public_url: str | None
) -> ServerCertificate:
    """Return the certificate that was given, else the workspace's own, which then is good for this server's names.

    Raises
    ------
    ValidationException
        If the given one cannot be used.
    """
    if certfile is not None:
        return given_certificate(certfile, keyfile)
    if keyfile is not None:
        raise ValidationException(
            field="--keyfile", value=str(keyfile), reason="is given alone", hint="Give --certfile too."
        )
    return own_certificate(ws.root / "tls", names_for(host, public_url))


def check_plain(host: str) -> None:
    """Pass when plain HTTP can be read by nobody on the way: on the loopback.

    Raises
    ------
    ValidationException
        Otherwise.
    """
    if not is_loopback(host):
        raise ValidationException(
            field="--http",
            value=host or "all addresses",
            reason="can be heard by others on the network, with every token",
            hint="Leave --http out, or bind to localhost and put a proxy with TLS before it.",
        )


def tls_context(certificate: ServerCertificate, *, client_authority: str = "") -> ssl.SSLContext:
    """Return what a server speaks TLS with: 1.2 or later.

    Parameters
    ----------
    client_authority
        A PEM file; callers must then show a certificate that it signed.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate.certificate, certificate.key)
    if client_authority:
        context.load_verify_locations(client_authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _refused(
    ws: Workspace, host: str, port: int, error: OSError | OverflowError
) -> StateError | ValidationException:
    code = error.errno if isinstance(error, OSError) else None
    if code == errno.EADDRINUSE:
        ours = [one for one in ws.servers.running() if one.is_here and urlsplit(one.url).port == port]
        who = f"this workspace's server, process {ours[0].identity.pid}" if ours else "another program"
        return StateError(
            f"Port {port} of {host or 'this machine'} is taken by {who}.",
            target="--port",
            hint="Give another one: --port 0 takes any that is free.",
        )
    if code == errno.EACCES:
        hint = "Ports below 1024 are for root; put a proxy before the server, or give a higher one."
        return ValidationException(
            field="--port", value=port, reason="is not for this user to listen at", hint=hint
        )
    if isinstance(error, OverflowError):
        return ValidationException(field="--port", value=port, reason="is no port (0 to 65535)")
    reason = os.strerror(code) if isinstance(code, int) and code > 0 else str(error.strerror)
    return ValidationException(
        field="--host",
        value=host,
        reason=f"is no address of this machine ({reason})",
        hint="localhost is for this machine only, 0.0.0.0 for all that reach it.",
    )
