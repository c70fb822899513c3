"""What a file says that an invoke reads: ``inputs.yml``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field

from batchmagic.entities.base import SCHEMA_KEY, Entity
from batchmagic.entities.deployment_settings import ModelBatchDeploymentSettings, always, combined
from batchmagic.entities.fields import (  # noqa: TC001 - pydantic reads the annotations
    ComputeName,
    DeploymentName,
    Text,
    TextMap,
)
from batchmagic.entities.references import relocated
from batchmagic.entities.transfer import Input, Output

if TYPE_CHECKING:
    from pathlib import Path

_SETTINGS = ModelBatchDeploymentSettings.known_keys()


def _as_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


OneInput = Annotated[Input, BeforeValidator(_as_path)]
OneOutput = Annotated[Output, BeforeValidator(_as_path)]


class Invocation(Entity):
    """An invoke as a file describes it: Azure's ``inputs`` and ``outputs``, and the options of the verb.

    Parameters
    ----------
    inputs, outputs
        By names that mean nothing; a lone path may stand in the place of ``{type, path}``.
    settings
        For this job only; each may also stand at the top.
    """

    also_accepted: ClassVar[frozenset[str]] = _SETTINGS | {SCHEMA_KEY}

    inputs: dict[str, OneInput] = Field(default_factory=dict, description="What is scored")
    outputs: dict[str, OneOutput] = Field(default_factory=dict, description="Where the rows go")
    deployment_name: DeploymentName | None = Field(None, description="Another deployment than the default")
    compute: ComputeName | None = Field(None, description="Where it runs")
    job_name: Text | None = Field(None, description="Name of the job")
    experiment_name: Text | None = Field(None, description="MLflow experiment of the job's run")
    properties: TextMap = Field(default_factory=dict, description="Labels of the job")
    recursive: bool | None = Field(None, description="Score the files of nested folders too")
    overwrite: bool | None = Field(None, description="Replace the output if there is one")
    dry_run: bool | None = Field(None, description="Check everything and start nothing")
    settings: Annotated[ModelBatchDeploymentSettings, BeforeValidator(always)] = Field(
        default_factory=ModelBatchDeploymentSettings, description="How it runs"
    )

    @classmethod
    def _fold(cls, values: dict[str, Any]) -> dict[str, Any]:
        values.pop(SCHEMA_KEY, None)
        flat = {key: values.pop(key) for key in _SETTINGS if key in values}
        if flat:
            values["settings"] = combined(values.get("settings"), flat)
        return values

    def resolve_paths(self, base: Path) -> None:
        """Make every relative local path absolute, seen from the folder `base`."""
        holders: list[Input | Output] = [*self.inputs.values(), *self.outputs.values()]
        for holder in holders:
            given = holder.path
            if given is not None:
                found = relocated(given, base)
                # An output that ends with a slash is a folder, whatever it looks like.
                is_folder = isinstance(holder, Output) and given.endswith("/") and not found.endswith("/")
                holder.path = f"{found}/" if is_folder else found

    def overrides(self) -> dict[str, Any]:
        """Return what the file sets for this job, in the form that an invoke takes."""
        values = self.settings.to_dict(reveal=True)
        found: dict[str, Any] = {**values, **{f"properties.{key}": v for key, v in self.properties.items()}}
        return {**found, "compute": self.compute} if self.compute else found
