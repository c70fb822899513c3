"""How a deployment runs: the settings that a user gives, each one unset until then."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, PrivateAttr, SerializationInfo, field_serializer, model_validator

from batchmagic.constants import BatchDeploymentOutputAction
from batchmagic.entities.base import Entity, given_twice
from batchmagic.entities.fields import (
    Amount,
    Bytes,
    Count,
    FileName,
    Format,
    InnerPath,
    LoggingLevel,
    OutputAction,
    PathText,
    Per,
    Seconds,
    Text,
    TextMap,
    Threshold,
    Variables,
    as_bool,
    squeezed,
)
from batchmagic.entities.problems import carried
from batchmagic.errors import ValidationException

# Azure's words.
_FILE_WITHOUT_ROWS = (
    "When output_action is set to summary_only, the output_file_name need not to be specified."
)


def owned(value: Any) -> Any:
    """Return a copy of an entity, so that two deployments made with one object do not share it."""
    return value.model_copy(deep=True) if isinstance(value, Entity) else value


def always(value: Any) -> Any:
    """Return a copy of a part that is always there; None means an empty one."""
    return {} if value is None else owned(value)


def parts(value: Any) -> dict[str, Any] | None:
    """Return what was given for a part of an entity as a dictionary; None if it is no such thing."""
    if value is None:
        return {}
    if isinstance(value, Entity):
        found = {name: getattr(value, name) for name in type(value).model_fields}
        return {name: item for name, item in found.items() if item is not None}
    return dict(value) if isinstance(value, Mapping) else None


def combined(value: Any, flat: Mapping[str, Any]) -> Any:
    """Return the part `value` with the keys of `flat` in it; what is no such part is returned as it is."""
    found = parts(value)
    if found is None:
        return value
    return found | {name: _one(name, found.get(name), item) for name, item in flat.items()}


def _one(name: str, inner: Any, outer: Any) -> Any:
    if inner is not None and isinstance(outer, Mapping | Entity):
        return combined(inner, parts(outer) or {})
    return given_twice([(f"settings.{name}", inner), (name, outer)])


class BatchRetrySettings(Entity):
    """How often a mini-batch is tried again, and how long one try may take."""

    max_retries: Amount | None = Field(None, description="Tries after the first one")
    timeout: Seconds | None = Field(None, description="Seconds that one run(mini_batch) may take")


class _Mapped(Entity):
    """A part whose fields can be read and set as those of a dictionary, too."""

    def keys(self) -> list[str]:
        """Return the names of the fields that are set."""
        return list(parts(self) or {})

    def values(self) -> list[Any]:
        """Return the values of the fields that are set."""
        return list((parts(self) or {}).values())

    def items(self) -> list[tuple[str, Any]]:
        """Return names and values of the fields that are set."""
        return list((parts(self) or {}).items())

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of a field, `default` if it is not set."""
        return (parts(self) or {}).get(key, default)

    def has_key(self, key: str) -> bool:
        """Return whether a field is set."""
        return key in self.keys()

    def update(self, *others: Any, **values: Any) -> None:
        """Set fields."""
        for name, value in dict(*others, **values).items():
            setattr(self, name, value)


class CodeConfiguration(_Mapped):
    """The folder of the scoring script, and the script in it."""

    _positional: ClassVar[tuple[str, ...]] = ("code", "scoring_script")

    code: PathText | None = Field(
        None, description="Folder with the scoring script, or a registered code asset"
    )
    scoring_script: InnerPath | None = Field(None, description="Path of the script inside the code folder")

    if TYPE_CHECKING:

        def __init__(self, code: Any = None, scoring_script: Any = None) -> None: ...


class _Twin(Entity):
    """An entity that shares `instance_count` with another one, whichever of the two it is set on."""

    instance_count: Count | None = Field(None, description="Instances that a job holds; unset: one")

    _twin: Any = PrivateAttr(None)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "instance_count" and self._twin is not None:
            self._twin.__dict__[name] = self.instance_count

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        # Alone: whoever holds both copies entwines them again.
        alone = self.__copy__()
        alone._twin = None  # noqa: SLF001 - of the same class
        return super(_Twin, alone).__deepcopy__(memo)


def entwine(one: _Twin, other: _Twin) -> None:
    """Make `instance_count` of both one value, that of `one`."""
    one._twin, other._twin = other, one  # noqa: SLF001 - of this module
    other.__dict__["instance_count"] = one.instance_count


class ResourceConfiguration(_Mapped, _Twin):
    """What a job of the deployment holds of its compute."""

    instance_type: Text | None = Field(None, description="A label; nothing local depends on it")
    properties: TextMap = Field(default_factory=dict, description="Labels")


class ModelBatchDeploymentSettings(_Twin):
    """The settings of a model deployment; what is None has its default when a job is invoked."""

    also_accepted: ClassVar[frozenset[str]] = frozenset({"max_retries", "timeout", "no_fail_fast"})

    mini_batch_size: Count | None = Field(None, description="Files per call of run()")
    max_concurrency_per_instance: Count | None = Field(
        None, description="Scoring processes per instance; unset: as many as cores and memory allow"
    )
    output_action: OutputAction | None = Field(
        None, description="What becomes of the rows that run() returns"
    )
    output_file_name: FileName | None = Field(None, description="Name of the output file")
    retry_settings: Annotated[BatchRetrySettings, BeforeValidator(always)] = Field(
        default_factory=BatchRetrySettings, description="Retries and timeout of a mini-batch"
    )
    environment_variables: Variables = Field(
        default_factory=dict,
        description="Variables of the scoring processes, set before the script is imported",
    )
    error_threshold: Threshold | None = Field(
        None, description="Failed files that are tolerated; -1: any number"
    )
    logging_level: LoggingLevel | None = Field(None, description="How much the scoring processes log")
    output_format: Format | None = Field(None, description="Form of the output file; unset: by its name")
    isolate_failures: bool | None = Field(
        None, description="Run the files of a failed mini-batch again one by one"
    )
    fail_fast: bool | None = Field(
        None, description="Fail at once when none of the first mini-batches succeeds"
    )
    memory_per_slot: Bytes | None = Field(
        None, description="Memory that one scoring process may use; more ends it as out of memory"
    )
    predict_per: Per | None = Field(
        None, description="What one predict() of an MLflow model without a script gets; unset: a file"
    )

    @classmethod
    def _fold(cls, values: dict[str, Any]) -> dict[str, Any]:
        if "no_fail_fast" in values:
            values["fail_fast"] = not as_bool(values.pop("no_fail_fast"), "no_fail_fast")
        flat: dict[str, Any] = {
            name: values.pop(name) for name in ("max_retries", "timeout") if name in values
        }
        if flat:
            values["retry_settings"] = combined(values.get("retry_settings"), flat)
        return values

    @model_validator(mode="after")
    def _file_only_where_rows_are_kept(self) -> Self:
        if (
            self.output_action == BatchDeploymentOutputAction.SUMMARY_ONLY
            and self.output_file_name is not None
        ):
            raise carried(
                ValidationException(
                    _FILE_WITHOUT_ROWS, field="output_file_name", value=self.output_file_name
                ),
                key="output_file_name",
            )
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        # Without rows there is no file; a name from before the change must not stand in its way.
        if name == "output_action" and squeezed(value) == "summaryonly":
            self.__dict__["output_file_name"] = None
        super().__setattr__(name, value)

    @field_serializer("environment_variables")
    def _hidden(self, variables: dict[str, str | None], info: SerializationInfo) -> dict[str, str | None]:
        if isinstance(info.context, dict) and info.context.get("reveal"):
            return variables
        return dict.fromkeys(variables)
