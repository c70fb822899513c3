"""JSON from outside, read strictly: what is odd is refused and not guessed at."""

from __future__ import annotations

import json
from typing import Any

from batchmagic.errors import RequestError

MAX_BYTES = 1 << 20
"""Of a request's body: as much as a definition may have as YAML."""
MAX_DEPTH = 50


def read_json(body: bytes) -> dict[str, Any]:
    """Return the object that the body of a request holds.

    Raises
    ------
    RequestError
        If it is no JSON object in UTF-8, has a key twice, a number that is none (NaN), or nests too deep.
    """
    try:
        # JSON's own names for what is no number, and keys that stand twice, are accepted by Python only.
        found = json.loads(body.decode(), object_pairs_hook=_unique, parse_constant=_refuse_constant)
        # Half of a surrogate pair is text that no file and no database can hold.
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeError as error:
        raise RequestError("The body is not text in UTF-8.", target="body") from error
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise RequestError(f"The body is no JSON: {error.msg}, {where}.", target="body") from None
    except ValueError as error:
        raise RequestError(f"The body is no JSON that can be read: {error}.", target="body") from None
    if not isinstance(found, dict):
        raise RequestError(
            "The body is no JSON object.", target="body", hint='Send {"properties": {…}} or a definition.'
        )
    _check_depth(found)
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:80]!r} stands twice in one object")
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [item for holder in level for item in _items(holder)]
        if not level:
            return
    raise _too_deep()


def _items(holder: Any) -> list[Any]:
    if isinstance(holder, dict):
        return list(holder.values())
    return list(holder) if isinstance(holder, list) else []


def _too_deep() -> RequestError:
    return RequestError(f"The body has more than {MAX_DEPTH} levels.", target="body")
