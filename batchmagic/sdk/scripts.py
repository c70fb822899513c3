"""Whether a scoring script can be deployed, told from its text: nothing of it is run."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

from batchmagic.errors import ScriptError
from batchmagic.names import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HINT = "Define run(mini_batch): it gets a list of file paths and returns a list or a DataFrame."


def check_script(path: Path, *, title: str | None = None) -> None:
    """Pass when the script at `path` is Python and has a ``run(mini_batch)``.

    Parameters
    ----------
    title
        What errors call it; None: its file name.

    Raises
    ------
    ScriptError
        With the line.
    """
    called = title or path.name
    tree = _parse(path, called)
    bound = dict(_bindings(tree.body))
    if "run" not in bound:
        if "*" not in bound:
            raise ScriptError(
                f"{called} has no run(mini_batch).", target="scoring_script", hint=_looks_like(bound)
            )
        return
    _check_run(called, bound["run"])


def _parse(path: Path, called: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(path.read_bytes(), filename=called)
    except SyntaxError as error:
        text = f": {error.text.strip()}" if error.text and error.text.strip() else ""
        raise ScriptError(
            f"{called}, line {error.lineno or 1}: {error.msg}{text}",
            target="scoring_script",
            hint="Nothing was deployed.",
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise ScriptError(
            f"{called} is not Python that can be read: {error}.", target="scoring_script"
        ) from error


def _bindings(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the names that the module's own statements bind, also inside ``if`` and ``try``."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, statement
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                for alias in names:
                    yield alias.asname or alias.name, statement
            case _:
                yield from _assigned(statement)
                yield from _nested(statement)


def _assigned(statement: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    match statement:
        case ast.Assign(targets=targets):
            for target in targets:
                for node in ast.walk(target):
                    if isinstance(node, ast.Name):
                        yield node.id, statement
        case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
            yield name, statement
        case _:
            return


def _nested(statement: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    for part in ("body", "orelse", "finalbody"):
        yield from _bindings(getattr(statement, part, []))
    for handler in getattr(statement, "handlers", []):
        yield from _bindings(handler.body)


def _looks_like(bound: dict[str, ast.stmt]) -> str:
    near = nearest("run", [name for name, node in bound.items() if isinstance(node, ast.FunctionDef)])
    return f"Is {near}(), line {bound[near].lineno}, meant to be it?" if near else _HINT


def _check_run(script: str, node: ast.stmt) -> None:
    where = f"{script}, line {node.lineno}"
    if isinstance(node, ast.AsyncFunctionDef):
        raise ScriptError(
            f"{where}: run() is a coroutine, which is not awaited.",
            target="scoring_script",
            hint="Use a plain def.",
        )
    if isinstance(node, ast.FunctionDef) and not (
        node.args.posonlyargs or node.args.args or node.args.vararg
    ):
        raise ScriptError(f"{where}: run() takes no mini-batch.", target="scoring_script", hint=_HINT)
