"""Texts without the folders of this machine, which are nobody's business who is not on it."""

from __future__ import annotations

import re
from pathlib import Path

# Neither a part of an address (https://host/a) nor of a relative path (a/b): those begin with something else. A path may
# have blanks in it only where quotation marks say how far it goes.
_QUOTED = re.compile(r"(?P<mark>['\"])(?P<path>/[^'\"\n]+)(?P=mark)")
_BARE = re.compile(r"(?<![\w/:.~…'\"])/[^\s'\"<>|*?;,()\[\]{}]+")
_STORE = re.compile(r"\b(?P<scheme>file|sqlite):/{2,}(?P<path>/[^\s'\"]+)", re.IGNORECASE)
_OURS = "/batchmagic/"
_CLOSING = ".,:;!?"


def without_places(text: str, root: Path) -> str:
    """Return the text with every absolute path shortened.

    What lies in the workspace is seen from there (``jobs/nightly/ledger.db``); of any other path its last part is left
    (``…/patients.csv``), which tells a caller who named it which one is meant, and nothing to anybody else.
    """
    text = _STORE.sub(lambda found: f"{found['scheme']}:{_short(found['path'], root)}", text)
    quoted = _QUOTED.sub(lambda found: f"{found['mark']}{_short(found['path'], root)}{found['mark']}", text)
    return _BARE.sub(lambda found: _short_bare(found.group(), root), quoted)


def _short_bare(path: str, root: Path) -> str:
    bare = path.rstrip(_CLOSING)
    return _short(bare, root) + path[len(bare) :] if len(bare) > 1 else path


def _short(path: str, root: Path) -> str:
    if path.startswith(_OURS):
        return path
    for base in {root, root.resolve()}:
        if path == str(base):
            return "the workspace"
        if path.startswith(f"{base}/"):
            return path.removeprefix(f"{base}/")
    name = Path(path).name
    return f"…/{name}" if name else "…"
