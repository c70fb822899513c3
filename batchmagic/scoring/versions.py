"""Which packages a process runs, as far as host and instances must agree on them."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import dask
import distributed

import batchmagic
from batchmagic.errors import PackagesChanged

if TYPE_CHECKING:
    from collections.abc import Mapping


def versions() -> dict[str, str]:
    """Return what this process runs; not what is installed by now."""
    return {
        "batchmagic": batchmagic.__version__,
        "dask": dask.__version__,
        "distributed": distributed.__version__,
        "python": platform.python_version(),
    }


def check_versions(of_host: Mapping[str, str], instance: str) -> None:
    """Pass when this process runs what its host runs.

    Raises
    ------
    PackagesChanged
        If not.
    """
    mine = versions()
    differing = [
        f"{name} {mine[name]} and not {of_host[name]}" for name in mine if mine[name] != of_host[name]
    ]
    if differing:
        raise PackagesChanged(
            f"Packages were changed under a running host: instance {instance} has {', '.join(differing)}.",
            hint="The host leaves; the next one goes on with the packages that are installed now.",
        )
