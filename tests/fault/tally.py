"""The table of a fault campaign: what was tried, what went wrong, and how long it took to go on."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from dataclasses import asdict, dataclass

_HEAD = (
    "campaign",
    "trials",
    "kills",
    "bad trials",
    "rows lost",
    "duplicated",
    "torn",
    "recovery, median",
    "worst",
    "mutants killed",
)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One trial, or one mutant (`mutant` is whether it was killed then)."""

    campaign: str
    kills: int = 0
    lost: int = 0
    duplicated: int = 0
    torn: int = 0
    bad: bool = False
    recovery: tuple[float, ...] = ()
    mutant: bool | None = None


class Tally:
    """Takes the trials of one test down. They travel with the test's report, also from another process."""

    def __init__(self, campaign: str, properties: list[tuple[str, object]]) -> None:
        self._campaign = campaign
        self._properties = properties

    def trial(
        self,
        *,
        kills: int = 0,
        recovery: float | list[float] | None = None,
        lost: int = 0,
        duplicated: int = 0,
        torn: int = 0,
        bad: bool = False,
    ) -> None:
        """Take down one trial; `recovery` in seconds. It is bad if rows are wrong or `bad` says so."""
        times = () if recovery is None else tuple(recovery) if isinstance(recovery, list) else (recovery,)
        wrong = bad or bool(lost or duplicated or torn)
        self._add(
            Row(
                campaign=self._campaign,
                kills=kills,
                lost=lost,
                duplicated=duplicated,
                torn=torn,
                bad=wrong,
                recovery=times,
            )
        )

    def mutant(self, name: str, *, killed: bool) -> None:
        """Take down whether the tests saw that the code was broken."""
        self._add(Row(campaign=self._campaign, mutant=killed))
        if not killed:
            self._properties.append(("mutant that lived", name))

    def _add(self, row: Row) -> None:
        self._properties.append(("fault", json.dumps(asdict(row))))


def rows_of(properties: list[tuple[str, object]]) -> list[Row]:
    """Return the trials among the properties of all reports."""
    found = []
    for name, value in properties:
        if name == "fault":
            values = json.loads(str(value))
            found.append(Row(**values | {"recovery": tuple(values["recovery"])}))
    return found


def table(rows: list[Row]) -> list[str]:
    """Return the lines of a Markdown table: a row for each campaign, and one for all."""
    campaigns = defaultdict(list)
    for row in rows:
        campaigns[row.campaign].append(row)
    cells = [_HEAD, *(_cells(name, campaigns[name]) for name in sorted(campaigns)), _cells("**all**", rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(_HEAD))]
    lines = ["| " + " | ".join(_padded(line, widths)) + " |" for line in cells]
    lines.insert(1, "|" + "|".join(("-" * (w + 1)) + (":" if n else "-") for n, w in enumerate(widths)) + "|")
    return lines


def _padded(line: tuple[str, ...], widths: list[int]) -> list[str]:
    return [
        cell.rjust(w) if n else cell.ljust(w) for n, (cell, w) in enumerate(zip(line, widths, strict=True))
    ]


def _cells(name: str, rows: list[Row]) -> tuple[str, ...]:
    trials = [row for row in rows if row.mutant is None]
    mutants = [row.mutant for row in rows if row.mutant is not None]
    times = [seconds for row in trials for seconds in row.recovery]
    sums = [
        sum(getattr(row, key) for row in trials) for key in ("kills", "bad", "lost", "duplicated", "torn")
    ]
    return (
        name,
        str(len(trials)),
        *map(str, sums),
        f"{statistics.median(times):.1f} s" if times else "",
        f"{max(times):.1f} s" if times else "",
        f"{sum(mutants)}/{len(mutants)}" if mutants else "",
    )
