"""What scripts have logged to MLflow: read from the file store that each scoring process has for itself.

A file store is a folder per run: a file per metric that only grows, a file per parameter and per tag, and a folder of
artifacts.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchmagic.workspace.folders import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MOST_BYTES = 256 * 1024
_SHIPPED = "shipped.json"
_NUMBERS = 3  # of a line: time, value, step; what may follow names a data set


@dataclass(slots=True)
class News:
    """What was logged since the last look.

    Attributes
    ----------
    metrics
        Key, value, time in milliseconds and step.
    params
        Key, value and the scoring process.
    """

    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    params: list[tuple[str, str, str]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.metrics or self.params or self.tags)


class PrivateStores:
    """The stores of all scoring processes of a job.

    Parameters
    ----------
    folder
        Of the job's stores: ``<epoch>/<process>``. What was begun under an earlier claim is read to its end.
    epoch
        Of the claim: nothing of a later one is touched.
    """

    def __init__(self, folder: Path, epoch: int) -> None:
        self._folder = folder
        self._epoch = epoch
        self._seen: dict[str, int] = {}
        for claim in self._claims():
            self._seen |= _shipped(claim)

    def news(self) -> News:
        """Return what is new; what is there but was not asked for yet comes with the next call."""
        news = News()
        for process in self._processes():
            for run in _runs(process):
                self._metrics(run, news)
                self._params(run, process.name, news)
                self._tags(run, news)
        return news

    def keep(self) -> None:
        """Remember, also for the next host, that what was returned so far is where it belongs."""
        for claim in self._claims():
            mine = {name: size for name, size in self._seen.items() if name.startswith(f"{claim.name}/")}
            if mine:
                new = claim / f".{_SHIPPED}.new"
                new.write_text(json.dumps(mine), encoding="utf-8")
                new.replace(claim / _SHIPPED)

    def artifacts(self) -> Iterator[tuple[str, Path, str]]:
        """Yield scoring process, file and path among the artifacts of all files that were logged."""
        for process in self._processes():
            for run in _runs(process):
                for path in _files(run / "artifacts"):
                    yield process.name, path, path.relative_to(run / "artifacts").as_posix()

    def holds_models(self) -> bool:
        """Whether a script has logged a model, which lies beside the runs."""
        return any(
            any((experiment / "models").glob("*/meta.yaml"))
            for process in self._processes()
            for experiment in _folders(process)
        )

    def remove(self) -> None:
        """Have none of it any more."""
        for claim in self._claims():
            remove_tree(claim)
        if not _folders(self._folder):
            remove_tree(self._folder)

    def _claims(self) -> list[Path]:
        named = [path for path in _folders(self._folder) if path.name.isdecimal()]
        return [path for path in named if int(path.name) <= self._epoch]

    def _processes(self) -> Iterator[Path]:
        for claim in self._claims():
            yield from _folders(claim)

    def _metrics(self, run: Path, news: News) -> None:
        folder = run / "metrics"
        for path in _files(folder):
            name = str(path.relative_to(self._folder))
            read = self._seen.get(name, 0)
            if path.stat().st_size <= read:
                continue
            with path.open("rb") as file:
                file.seek(read)
                text = file.read(_MOST_BYTES)
            whole = text[: text.rfind(b"\n") + 1]
            self._seen[name] = read + len(whole)
            key = path.relative_to(folder).as_posix()
            news.metrics += [(key, *numbers) for numbers in map(_numbers, whole.split(b"\n")) if numbers]

    def _params(self, run: Path, process: str, news: News) -> None:
        for key, value in self._changed(run / "params"):
            news.params.append((key, value, process))

    def _tags(self, run: Path, news: News) -> None:
        for key, value in self._changed(run / "tags"):
            if not key.startswith("mlflow."):
                news.tags[key] = value

    def _changed(self, folder: Path) -> Iterator[tuple[str, str]]:
        for path in _files(folder):
            name = str(path.relative_to(self._folder))
            changed = path.stat().st_mtime_ns
            if self._seen.get(name) != changed:
                self._seen[name] = changed
                yield path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8", errors="replace")


def _shipped(claim: Path) -> dict[str, int]:
    try:
        stored: dict[str, int] = json.loads((claim / _SHIPPED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return stored


def _runs(process: Path) -> Iterator[Path]:
    for experiment in _folders(process):
        yield from (
            run for run in _folders(experiment) if (run / "metrics").is_dir() or (run / "params").is_dir()
        )


def _folders(path: Path) -> list[Path]:
    try:
        with os.scandir(path) as entries:
            return sorted(path / entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def _files(folder: Path) -> Iterator[Path]:
    for base, _, names in os.walk(folder):
        yield from (folder / base / name for name in sorted(names))


def _numbers(line: bytes) -> tuple[float, int, int] | None:
    """Return value, time and step of a metric's line; older versions of MLflow write no step."""
    words = line.split()
    try:
        return float(words[1]), int(words[0]), int(words[2]) if len(words) >= _NUMBERS else 0
    except (IndexError, ValueError):
        return None
