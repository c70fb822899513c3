"""Lets ``except azure.core.exceptions.ResourceNotFoundError`` catch ours where the real ``azure-core`` is installed.

Its module cannot be replaced: other packages of Azure raise what is in it.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from batchmagic import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_HOME = "azure.core.exceptions"
# From the root to the leaves: a class cannot come before its own base. The root itself has `Exception` for its only
# base, which Python cannot exchange.
_NAMES = (
    ("JobException", "AzureError"),
    ("WorkspaceError", "AzureError"),
    ("EngineError", "AzureError"),
    ("UsageError", "HttpResponseError"),
    ("ResourceExistsError", "ResourceExistsError"),
    ("ResourceNotFoundError", "ResourceNotFoundError"),
)


def build() -> None:
    """Make our errors be Azure's errors of the same meaning too."""
    for ours, theirs in _pairs():
        if theirs not in ours.__bases__:
            ours.__bases__ = (*ours.__bases__, theirs)


def remove() -> None:
    """Undo `build`."""
    for ours, theirs in reversed(list(_pairs())):
        ours.__bases__ = tuple(base for base in ours.__bases__ if base is not theirs)


def _pairs() -> Iterator[tuple[type[errors.BatchMagicError], type[Exception]]]:
    if importlib.util.find_spec("azure") is None or importlib.util.find_spec("azure.core") is None:
        return
    theirs = importlib.import_module(_HOME)
    for ours, name in _NAMES:
        found = getattr(theirs, name)
        if found.__module__ == _HOME:  # else it is ours already: azure-core is not installed
            yield getattr(errors, ours), found
