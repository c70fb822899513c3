"""How large everything is, and what would free it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.sdk.doctor.finding import Finding, ok
from batchmagic.words import counted, size_text
from batchmagic.workspace.folders import size_of
from batchmagic.workspace.garbage import INCOMING, TRASH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchmagic.sdk.doctor.finding import Patient

_LARGEST = 3
_SECONDS = 40.0
_PARTS = ("spool", "logs", "outputs")


def findings(patient: Patient) -> Iterator[Finding]:
    """Yield the size of each kind of thing, and of the largest jobs by name."""
    root, command = patient.root, patient.command
    yield ok("models and code", f"{_size(patient, 'assets')}; freed by: {command} model delete NAME:VERSION")
    yield from _jobs(patient)
    for subject, folder, free in (
        ("environments", "environments", f"{command} environment delete NAME"),
        ("datastore", "datastores", "removing files there yourself"),
        ("logs of hosts", "compute", "itself: they are cut at 8 MB"),
        ("MLflow store", "mlflow", f"{command} model delete NAME:VERSION"),
    ):
        if (root / folder).exists():
            yield ok(subject, f"{_size(patient, folder)}; freed by: {free}")
    trash = size_of(root / TRASH) + size_of(root / INCOMING)
    if trash:
        yield ok("trash", f"{size_text(trash)}; freed by: {command} prune (a day after it was left)")


def _size(patient: Patient, folder: str) -> str:
    return size_text(size_of(patient.root / folder))


def _jobs(patient: Patient) -> Iterator[Finding]:
    sizes: dict[str, dict[str, int]] = {}
    folders = sorted((patient.root / "jobs").glob("*"))
    for folder in folders:
        if not patient.has_time(_SECONDS):
            break
        parts = {part: size_of(folder / part) for part in _PARTS}
        sizes[folder.name] = parts | {"all": size_of(folder)}
    total = {part: sum(size[part] for size in sizes.values()) for part in ("all", *_PARTS)}
    least = "" if len(sizes) == len(folders) else "at least "
    text = (
        f"{least}{size_text(total['all'])} in {counted(len(folders), 'job')} (spools {size_text(total['spool'])}, "
        f"logs {size_text(total['logs'])}, outputs {size_text(total['outputs'])})"
    )
    yield ok("jobs", f"{text}; freed by: {patient.command} prune --older-than 30d")
    largest = sorted(sizes, key=lambda name: sizes[name]["all"], reverse=True)[:_LARGEST]
    for name in largest if len(sizes) > 1 else ():
        yield ok(
            f"job {name}", f"{size_text(sizes[name]['all'])}; freed by: {patient.command} job delete {name}"
        )
