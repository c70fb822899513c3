"""The message of a failed job as IPython shows it in the place of a traceback."""

from __future__ import annotations

import re

_MOST_LINES = 8
_RED, _BOLD, _PLAIN = "\033[31m", "\033[1m", "\033[0m"
# The script's line before its source, and how the job ended.
_PLACE = re.compile(r"  .+, line \d+, in ")
_VERDICT = re.compile(r"^(Job \S+ )(Failed|NotResponding)\b")


def coloured(message: str, kind: str) -> list[str]:
    """Return the first lines of `message` in colours; one that is a single line gets the `kind` of error before it."""
    first, *more = message.splitlines()[:_MOST_LINES]
    if not more:
        first = f"{kind}: {first}"
    lines = [re.sub(r"^[A-Za-z_][\w.<>]*(?:\([\w.]*\))?(?=:)", rf"{_RED}\g<0>{_PLAIN}", first)]
    for line in more:
        place, colon, source = line.partition(":   ")
        lines.append(f"{place}{colon}{_BOLD}{source}{_PLAIN}" if _PLACE.match(place) and source else line)
    return [_VERDICT.sub(rf"\1{_RED}\2{_PLAIN}", line) for line in lines]
