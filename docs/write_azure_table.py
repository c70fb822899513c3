"""Writes the table of docs/azure.md, by holding this package against the real ``azure-ai-ml``.

It runs where both are installed, and fails when Azure's package has something that is neither here nor refused.
"""  # noqa: INP001 -- a script

from __future__ import annotations

import argparse
import enum
import importlib
import inspect
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import batchmagic
from batchmagic import constants, entities
from batchmagic.azure.names import home_of, names_of
from batchmagic.sdk.pollers import LROPoller
from batchmagic.sdk.refusals import REFUSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BEGIN, END = "<!-- the table -->", "<!-- its end -->"
ENTITIES = (
    "BatchEndpoint", "ModelBatchDeployment", "BatchDeployment", "ModelBatchDeploymentSettings", "BatchRetrySettings",
    "CodeConfiguration", "ResourceConfiguration", "AmlCompute", "Model", "Environment", "BuildContext", "Data", "Job",
)  # fmt: skip
OPERATIONS = (
    "BatchEndpointOperations", "BatchDeploymentOperations", "JobOperations", "ModelOperations", "DataOperations",
    "EnvironmentOperations", "ComputeOperations", "DatastoreOperations", "WorkspaceOperations",
)  # fmt: skip
IN_KWARGS = {
    "BatchEndpointOperations.invoke": ("input", "outputs", "params_override", "job_name", "experiment_name"),
    "JobOperations.list": ("max_results",),
}
"""Arguments that Azure's package takes without naming them in its signature."""
_ANY = {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
_LABELS = ("A label", "Accepted", "Labels", "Of a literal input", "Kept")
Row = tuple[str, str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the table into the page, or with ``--check`` say whether it stands there; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--check", action="store_true", help="change nothing; exit code 1 if the page is old")
    options = parser.parse_args(arguments)
    page = options.page.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    new = f"{before}{BEGIN}\n\n{table()}\n{END}{after}"
    if options.check:
        return int(new != page)
    options.page.write_text(new, encoding="utf-8")
    return 0


def table() -> str:
    """Return all sections, as Markdown.

    Raises
    ------
    LookupError
        If Azure's package has something that is neither here nor refused.
    """
    warnings.simplefilter("ignore")  # some of its classes call themselves experimental
    real = importlib.import_module("azure.ai.ml")
    operations = importlib.import_module("azure.ai.ml.operations")
    sections = [("Names in `azure.ai.ml`", _names("azure.ai.ml", real.__all__))]
    sections += [
        (f"Names in `{module}`", _names(module, importlib.import_module(module).__all__))
        for module in ("azure.ai.ml.constants", "azure.identity")
    ]
    sections.append(("Enumerations", list(_enumerations())))
    for name in ("Input", "Output"):
        sections.append((f"`{name}`", list(_arguments(getattr(batchmagic, name), getattr(real, name)))))
    for name in ENTITIES:
        theirs = getattr(importlib.import_module("azure.ai.ml.entities"), name)
        sections.append((f"`{name}`", list(_entity(getattr(entities, name), theirs))))
    pollers = importlib.import_module("azure.core.polling")
    sections.append(("Pollers: `LROPoller`", list(_members(LROPoller, pollers.LROPoller))))
    paging = importlib.import_module("azure.core.paging")
    sections.append(("Lists: `ItemPaged`", list(_members(entities.Listing, paging.ItemPaged))))
    sections.append(("`MLClient`", list(_members(batchmagic.MLClient, real.MLClient))))
    for name in OPERATIONS:
        home = home_of("azure.ai.ml.operations", name)
        if home is None:
            raise LookupError(f"{name} has no home")
        ours = getattr(importlib.import_module(home[0]), home[1])
        sections.append((f"`{name}`", list(_members(ours, getattr(operations, name)))))
    return "\n".join(_section(title, rows) for title, rows in sections)


def _section(title: str, rows: list[Row]) -> str:
    lines = [f"### {title}", "", "| name | here | note |", "|------|------|------|"]
    return "\n".join([*lines, *(f"| {name} | {verdict} | {note} |" for name, verdict, note in rows), ""])


def _names(module: str, theirs: Sequence[str]) -> list[Row]:
    ours = set(names_of(module))
    rows = [(f"`{name}`", "same", "") for name in sorted(theirs) if name in ours]
    refused = [f"`{name}`" for name in sorted(theirs) if name not in ours]
    if refused:
        rows.append((", ".join(refused), "refused", "because it serves batch endpoints only"))
    return rows


def _enumerations() -> Iterator[Row]:
    real = importlib.import_module("azure.ai.ml.constants")
    for name in sorted(set(constants.__all__) & set(real.__all__)):
        ours = {member.name: member.value for member in getattr(constants, name)}
        theirs = _values(getattr(real, name))
        differing = {key for key, value in ours.items() if theirs.get(key) != value}
        if differing:
            raise LookupError(f"{name} differs in {sorted(differing)}")
        missing = sorted(set(theirs) - set(ours))
        note = f"without {', '.join(missing)}: it serves batch endpoints only" if missing else ""
        yield (f"`{name}`", "refused in part" if missing else "same", note)


def _values(kind: Any) -> dict[str, str]:
    if issubclass(kind, enum.Enum):
        return {member.name: member.value for member in kind}
    return {key: value for key, value in vars(kind).items() if key.isupper()}


def _entity(ours: Any, theirs: Any) -> Iterator[Row]:
    yield from _arguments(ours, theirs)
    known = set(ours.known_keys())
    for name in _public(theirs):
        if name in REFUSED.get(ours.__name__, {}):
            yield (f"`.{name}`", "refused", f"because {REFUSED[ours.__name__][name]}")
        elif name not in known or hasattr(ours, name):
            if not (hasattr(ours, name) or name in known):
                raise LookupError(f"{ours.__name__}.{name} is neither here nor refused")
            yield (f"`.{name}`", "same", "")


def _arguments(ours: Any, theirs: Any) -> Iterator[Row]:
    fields = ours.model_fields
    given = _parameters(theirs.__init__)
    for name in given:
        if name not in ours.known_keys():
            raise LookupError(f"{ours.__name__}({name}=) is neither here nor refused")
        text = (fields[name].description or "") if name in fields else ""
        yield (f"`{name}=`", "same", "kept as a label" if text.startswith(_LABELS) else "")
    more = [f"`{name}=`" for name in sorted(ours.model_fields) if name not in given]
    if more:
        yield (", ".join(more), "superset", "")


def _members(ours: Any, theirs: Any) -> Iterator[Row]:
    kind = ours.__name__
    refused = REFUSED.get(kind, {})
    attributes = vars(ours()) if kind == "MLClient" else {}
    for name in _public(theirs):
        if name in refused:
            yield (f"`.{name}`", "refused", f"because {refused[name]}")
            continue
        if not hasattr(ours, name) and name not in attributes:
            raise LookupError(f"{kind}.{name} is neither here nor refused")
        if not callable(getattr(theirs, name)):
            yield (f"`.{name}`", "same", "")
            continue
        yield _call(kind, name, getattr(ours, name), getattr(theirs, name))
    more = [f"`.{name}`" for name in _public(ours) if not hasattr(theirs, name) and name != "session"]
    if more:
        yield (", ".join(more), "superset", "")


def _call(kind: str, name: str, ours: Any, theirs: Any) -> Row:
    wanted = [*_parameters(theirs), *IN_KWARGS.get(f"{kind}.{name}", ())]
    have = _parameters(ours)
    missing = [item for item in wanted if item not in have]
    if missing and not _takes_any(ours):
        raise LookupError(f"{kind}.{name} does not take {missing}")
    more = [f"`{item}=`" for item in have if item not in wanted]
    shown = ", ".join(f"{item}" for item in wanted)
    return (f"`.{name}({shown})`", "superset" if more else "same", f"also {', '.join(more)}" if more else "")


def _parameters(function: Any) -> list[str]:
    found = inspect.signature(function).parameters.values()
    return [item.name for item in found if item.name != "self" and item.kind not in _ANY]


def _takes_any(function: Any) -> bool:
    return any(item.kind in _ANY for item in inspect.signature(function).parameters.values())


def _public(kind: Any) -> list[str]:
    # `R` and `T` are type variables of Azure's client.
    return sorted(name for name in dir(kind) if not name.startswith("_") and name not in {"R", "T"})


if __name__ == "__main__":
    sys.exit(main())
