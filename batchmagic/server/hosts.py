"""Names of the machine that a server is bound to."""

from __future__ import annotations

import contextlib
import ipaddress
import socket

ANY_HOST = ("", "0.0.0.0", "::", "*")  # noqa: S104 - recognised, not bound to
"""What binds a server to every address of its machine."""


def is_loopback(host: str) -> bool:
    """Return whether only processes of this machine reach a server that is bound to `host`."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host.lower() == "localhost"


def address(scheme: str, host: str, port: int) -> str:
    """Return the address of a server that is bound to `host`, as others can use it."""
    if host in ANY_HOST:
        host = _own_name()
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}"


def _own_name() -> str:
    name = socket.gethostname()
    try:
        socket.getaddrinfo(name, None)
    except OSError:
        return "localhost"
    return name
