"""The identity of one cluster: only who can read these files may talk to its scheduler and workers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchmagic.certificates import new_authority, new_certificate
from batchmagic.workspace.folders import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from distributed.security import Security

_LIFETIME = dt.timedelta(days=3650)
"""A host makes a new identity each time it starts; nothing renews it while the host lives."""


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
    authority = new_authority("batchmagic authority", lifetime=_LIFETIME)
    member = new_certificate(
        authority, "batchmagic cluster", names=["batchmagic"], lifetime=_LIFETIME, for_clients=True
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = Credentials(authority=folder / "ca.pem", certificate=folder / "cert.pem", key=folder / "key.pem")
    write_private(found.authority, authority.certificate_pem())
    write_private(found.certificate, member.certificate_pem())
    write_private(found.key, member.key_pem())
    return found
