"""What a job needs that does not lie in the workspace, and may be gone when the workspace was moved or restored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.errors import InputError, StateError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batchmagic.entities.job_spec import JobSpec

_SHOWN = 5


def from_root(root: Path, path: Path) -> str:
    """Return `path` as it is kept: relative to the workspace if it lies in there, so that it moves along."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def check_outside(
    root: Path, spec: JobSpec, values: Mapping[str, str], *, unfinished: bool, begun: bool = True
) -> None:
    """Pass when a job finds what it needs that is not in the workspace, or not any more.

    Parameters
    ----------
    values
        Of the job's environment variables.
    unfinished
        Whether anything is left to score; if not, only the output matters.
    begun
        Whether it has run before; one that begins has found its input just now, and makes its output's folder.

    Raises
    ------
    InputError
        If its input is gone as a whole.
    StateError
        If the place of its output is gone, or variables have no values.
    """
    source = root / spec.input_path
    if begun and unfinished and not source.exists():
        raise InputError(
            f"The input {str(source)!r} of job {spec.name} is not there any more.",
            target="input",
            hint=f"Put it back, or lead there from its old place: ln -s NEW-PLACE {source} ; then resume the job.",
        )
    if begun and spec.output_path and not (root / spec.output_path).parent.is_dir():
        folder = root / spec.output_path
        raise StateError(
            f"The folder {str(folder.parent)!r} of the output of job {spec.name} is not there any more.",
            target="output",
            hint=f"Make it again: mkdir -p {folder} ; then resume the job.",
        )
    missing = [name for name in spec.settings.environment_variables if name not in values]
    if unfinished and missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise StateError(
            f"The values of {', '.join(missing[:_SHOWN])}{more}, variables of job {spec.name}, are not in this "
            "workspace; a backup carries none.",
            target="environment_variables",
            hint=f"Give them to the deployment {spec.endpoint}/{spec.deployment} again (--env NAME=VALUE), "
            "then resume the job with --deployment-version latest.",
        )
