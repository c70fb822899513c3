"""A deployment: a model, how it is scored, and with which settings."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from batchmagic.constants import BatchDeploymentOutputAction, OutputFormat, PredictPer
from batchmagic.entities.assets import Environment, Model
from batchmagic.entities.base import Alias, Resource, given_twice
from batchmagic.entities.deployment_settings import (
    BatchRetrySettings,
    CodeConfiguration,
    ModelBatchDeploymentSettings,
    ResourceConfiguration,
    always,
    combined,
    entwine,
    owned,
    parts,
)
from batchmagic.entities.fields import (
    ComputeName,
    DeploymentName,
    EndpointName,
    PathText,
    Text,
    TextMap,
    one_of,
    reference_to,
)
from batchmagic.entities.references import parse_reference, relocated
from batchmagic.entities.unset import without_unset
from batchmagic.errors import UnknownField, ValidationException

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.entities.settings import Settings

# Settings that Azure does not have travel as properties, which its loader accepts.
OWN_PREFIX = "batchmagic."
OWN_SETTINGS = ("output_format", "isolate_failures", "fail_fast", "memory_per_slot", "predict_per")
CELL = OWN_PREFIX + "cell"
"""The property that says which cell of a notebook the scoring script is the body of.

It only names the script in errors. It is no setting and stays a property: what runs is the same with and without it,
so a cell that is run again under another number is no change of the deployment.
"""
_SETTINGS = ModelBatchDeploymentSettings.known_keys()
_CODE = {"code": "code", "code_path": "code", "scoring_script": "scoring_script"}
_TWO_COUNTS = "Can't set instance_count when resources is provided."


def _branch(value: Any) -> str:
    return "<reference>" if isinstance(value, str) else "<inline>"


_is_model = reference_to(
    "model", "path", "mlflow", "datastore", "job", hint="Download it, and give the local path."
)
_is_environment = reference_to(
    "environment",
    hint="Name a registered one, define it in place, or write `file:environment.yml` for a file that defines one.",
)
ModelOrReference = Annotated[
    Annotated[PathText, AfterValidator(_is_model), Tag("<reference>")] | Annotated[Model, Tag("<inline>")],
    Discriminator(_branch),
]
EnvironmentOrReference = Annotated[
    Annotated[PathText, AfterValidator(_is_environment), Tag("<reference>")]
    | Annotated[Environment, Tag("<inline>")],
    Discriminator(_branch),
]


class _Shortcuts:
    """Second names of what stands in the parts of a deployment."""

    mini_batch_size = Alias[int | None]("settings")
    instance_count = Alias[int | None]("settings")
    max_concurrency_per_instance = Alias[int | None]("settings")
    output_action = Alias[BatchDeploymentOutputAction | None]("settings")
    output_file_name = Alias[str | None]("settings")
    output_format = Alias[OutputFormat | None]("settings")
    retry_settings = Alias[BatchRetrySettings]("settings")
    environment_variables = Alias[dict[str, str | None]]("settings")
    error_threshold = Alias[int | None]("settings")
    logging_level = Alias[str | None]("settings")
    isolate_failures = Alias[bool | None]("settings")
    fail_fast = Alias[bool | None]("settings")
    memory_per_slot = Alias[int | None]("settings")
    predict_per = Alias[PredictPer | None]("settings")
    code_path = Alias[str | None]("code_configuration", "code")
    scoring_script = Alias[str | None]("code_configuration")


class BatchDeployment(_Shortcuts, Resource):
    """A model deployment under a batch endpoint.

    Azure's two classes are one here: every setting can be given, read and set both directly
    (``deployment.mini_batch_size``) and under ``deployment.settings``.

    Parameters
    ----------
    name, endpoint_name
        Lower-cased.
    model
        A `Model`, a reference, or a dictionary that defines a model.
    code_configuration
        Folder and scoring script; `code_path` and `scoring_script` are the same in short.
    environment
        An `Environment`, a reference, or a dictionary that defines one.
    compute
        Name of a compute, with or without ``azureml:``.
    resources
        ``instance_count``, which `instance_count` is too.
    """

    shown_as: ClassVar[str] = "deployment"
    _schema_name: ClassVar[str] = "modelBatchDeployment"
    _paths: ClassVar[tuple[str, ...]] = ("code_configuration.code",)
    also_accepted: ClassVar[frozenset[str]] = Resource.also_accepted | _SETTINGS | frozenset(_CODE)

    name: DeploymentName = Field(description="Name of the deployment")
    endpoint_name: EndpointName | None = Field(None, description="Endpoint that it belongs to")
    type: Annotated[Literal["model"], BeforeValidator(one_of(("model",)))] = Field(
        "model", description="Kind of deployment"
    )
    description: Text | None = Field(None, description="What it is, in words")
    tags: TextMap = Field(default_factory=dict, description="Labels to find it by")
    properties: TextMap = Field(default_factory=dict, description="Labels")
    model: ModelOrReference | None = Field(None, description="Registered model, or the definition of one")
    code_configuration: Annotated[CodeConfiguration, BeforeValidator(owned)] | None = Field(
        None, description="Folder and scoring script; an MLflow model needs none"
    )
    environment: EnvironmentOrReference | None = Field(
        None, description="Registered environment, or the definition of one"
    )
    compute: ComputeName | None = Field(None, description="Name of the compute")
    resources: Annotated[ResourceConfiguration, BeforeValidator(always)] = Field(
        default_factory=ResourceConfiguration, description="What a job holds of the compute"
    )
    settings: Annotated[ModelBatchDeploymentSettings, BeforeValidator(always)] = Field(
        default_factory=ModelBatchDeploymentSettings, description="How it runs"
    )

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            name: str,
            endpoint_name: str | None = None,
            type: str = "model",  # noqa: A002 - Azure's word
            description: str | None = None,
            tags: Mapping[str, Any] | None = None,
            properties: Mapping[str, Any] | None = None,
            model: Model | str | Mapping[str, Any] | None = None,
            code_configuration: CodeConfiguration | Mapping[str, Any] | None = None,
            code_path: str | Path | None = None,
            scoring_script: str | Path | None = None,
            environment: Environment | str | Mapping[str, Any] | None = None,
            compute: Any = None,
            resources: ResourceConfiguration | Mapping[str, Any] | None = None,
            settings: ModelBatchDeploymentSettings | Mapping[str, Any] | None = None,
            **more: Any,
        ) -> None: ...

    @classmethod
    def _fold(cls, values: dict[str, Any]) -> dict[str, Any]:
        values = without_unset(super()._fold(values))
        flat = {key: values.pop(key) for key in _SETTINGS if key in values}
        own = _own_settings(values)
        if flat or own:
            values["settings"] = combined(combined(values.get("settings"), flat), own)
        code = [(_CODE[key], values.pop(key)) for key in _CODE if key in values]
        if any(value is not None for _, value in code):
            flat_code = {name: given_twice(item for item in code if item[0] == name) for name, _ in code}
            values["code_configuration"] = combined(values.get("code_configuration"), flat_code)
        _check_counts(values)
        return values

    @model_validator(mode="after")
    def _one_instance_count(self) -> Self:
        given = self.resources if self.resources.instance_count is not None else self.settings
        entwine(given, self.settings if given is self.resources else self.resources)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "properties":
            value = self._without_own_settings(value)
        # The part that is set decides about instance_count, if it says anything about it.
        other = {"settings": "resources", "resources": "settings"}.get(name)
        if other is None:
            super().__setattr__(name, value)
            return
        before = self.settings.instance_count
        twin = getattr(self, other)
        twin.__dict__["instance_count"] = None
        try:
            super().__setattr__(name, value)
        except ValidationException:
            twin.__dict__["instance_count"] = before
            raise
        if self.settings.instance_count is None:
            self.settings.instance_count = before

    def _without_own_settings(self, properties: Any) -> Any:
        values = {"properties": properties}
        for name, item in _own_settings(values).items():
            setattr(self.settings, name, item)
        return values["properties"]

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        copied = super().__deepcopy__(memo)
        entwine(copied.settings, copied.resources)
        return copied

    def _shape(self, values: dict[str, Any]) -> dict[str, Any]:
        settings = dict(values.pop("settings", {}))
        settings.pop("instance_count", None)
        own = {OWN_PREFIX + name: _spelled(settings.pop(name)) for name in OWN_SETTINGS if name in settings}
        properties = {**values.pop("properties", {}), **own}
        for name, found in (("model", self.model), ("environment", self.environment)):
            # A registered asset goes out as its reference: a definition in place of it would register another.
            if isinstance(found, Resource) and found.id is not None:
                values[name] = f"azureml:{found.name}:{found.version}"
        if settings:
            values["settings"] = settings
        if properties:
            values["properties"] = properties
        return values

    @property
    def script_title(self) -> str | None:
        """What errors call the scoring script: ``cell [5]``; None where its file name is the best that can be said."""
        number = self.properties.get(CELL)
        return f"cell [{number}]" if number else None

    @classmethod
    def _parameters(cls) -> list[inspect.Parameter]:
        short = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=str | None)
            for name in ("code_path", "scoring_script")
        ]
        settings = ModelBatchDeploymentSettings._parameters()  # noqa: SLF001 - of the same family
        return [*super()._parameters(), *short, *settings]

    def resolve_paths(self, base: Path) -> None:
        """Make every relative local path of the definition absolute, seen from the folder `base`."""
        super().resolve_paths(base)
        for name in ("model", "environment"):
            value = getattr(self, name)
            if isinstance(value, Resource):
                value.resolve_paths(base)
        if isinstance(self.model, str) and parse_reference(self.model).kind == "path":
            self.model = relocated(self.model, base)

    def effective_settings(self, overrides: Mapping[str, Any] | None = None) -> Settings:
        """Return what is in force for a job: defaults, this deployment, then `overrides`.

        Parameters
        ----------
        overrides
            Of an invoke: Azure's dotted keys (``compute.instance_count``), the fields' own names, or nested
            dictionaries; values may be text.

        Raises
        ------
        UnknownField
            For a key that is no setting; `batchmagic.entities.effective.split_overrides` sorts those out.
        """
        from batchmagic.entities.effective import settings_in_force  # noqa: PLC0415 - it knows this module

        return settings_in_force(self.settings, overrides or {})


# Azure's newer name of the same thing.
ModelBatchDeployment = BatchDeployment


def _own_settings(values: dict[str, Any]) -> dict[str, Any]:
    properties = values.get("properties")
    if not isinstance(properties, Mapping):
        return {}
    own = {key: value for key, value in properties.items() if str(key).startswith(OWN_PREFIX) and key != CELL}
    values["properties"] = {key: value for key, value in properties.items() if key not in own}
    known = [OWN_PREFIX + name for name in OWN_SETTINGS]
    for key in own:
        if key not in known:
            raise UnknownField(field=key, owner="properties", known=[*known, CELL])
    _check_cell(properties)
    return {key.removeprefix(OWN_PREFIX): value for key, value in own.items()}


def _check_cell(properties: Mapping[Any, Any]) -> None:
    if CELL in properties and not str(properties[CELL]).isdecimal():
        raise ValidationException(
            field=f"properties.{CELL}",
            value=properties[CELL],
            reason="is no number of a cell",
            hint="Use the number in front of the cell that holds the scoring script.",
        )


def _check_counts(values: Mapping[str, Any]) -> None:
    found = [(parts(values.get(name)) or {}).get("instance_count") for name in ("resources", "settings")]
    if None not in found and str(found[0]) != str(found[1]):
        raise ValidationException(
            _TWO_COUNTS,
            field="instance_count",
            value=found[1],
            hint=f"resources.instance_count is {found[0]!r}.",
        )


def _spelled(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
