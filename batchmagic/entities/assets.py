"""What is registered by name and version: models, environments, data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from batchmagic.entities.base import Entity, Resource
from batchmagic.entities.deployment_settings import owned
from batchmagic.entities.fields import AnyMap, CondaFile, PathText, Text, TextMap, Version, named, one_of
from batchmagic.entities.problems import carried
from batchmagic.entities.unset import without_unset
from batchmagic.errors import ValidationException

AS_TAG = "batchmagic.properties."
"""What the tags begin with that carry properties of an environment, which Azure's YAML has no place for."""
_MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")
_DATA_TYPES = ("uri_file", "uri_folder", "mltable")


class Model(Resource):
    """A model: an MLflow model, or any files.

    Parameters
    ----------
    name
        None until it is registered: it then gets one.
    version
        None: the next number.
    type
        ``custom_model``, ``mlflow_model`` or ``triton_model``.
    path
        A local path, a URI, or an MLflow reference.
    """

    shown_as: ClassVar[str] = "model"
    _schema_name: ClassVar[str] = "model"
    _paths: ClassVar[tuple[str, ...]] = ("path",)

    name: Annotated[str, BeforeValidator(named("model"))] | None = Field(
        None, description="Name of the model"
    )
    version: Version | None = Field(None, description="Version; unset: the next number")
    type: Annotated[
        Literal["custom_model", "mlflow_model", "triton_model"], BeforeValidator(one_of(_MODEL_TYPES))
    ] = Field("custom_model", description="What the files are")
    path: PathText | None = Field(None, description="The model's file or folder")
    description: Text | None = Field(None, description="What it is, in words")
    tags: TextMap = Field(default_factory=dict, description="Labels to find it by")
    properties: TextMap = Field(default_factory=dict, description="Labels that stay with the version")
    stage: Text | None = Field(None, description="A label such as Production")
    flavors: AnyMap | None = Field(None, description="MLflow flavors")
    utc_time_created: Text | None = Field(None, description="A label")
    datastore: Text | None = Field(None, description="A label")
    default_deployment_template: Any = Field(None, description="Accepted; without meaning here")
    allowed_deployment_templates: Any = Field(None, description="Accepted; without meaning here")


class BuildContext(Entity):
    """A folder with a Dockerfile; recorded, so that the definition can go to Azure unchanged."""

    path: PathText | None = Field(None, description="Folder of the build context")
    dockerfile_path: PathText | None = Field(None, description="Path of the Dockerfile inside it")


class Environment(Resource):
    """The packages that a scoring script needs.

    Parameters
    ----------
    conda_file
        Path of a conda file, or its content as a dictionary.
    image
        A container image; excludes `build`.
    """

    shown_as: ClassVar[str] = "environment"
    _schema_name: ClassVar[str] = "environment"
    _paths: ClassVar[tuple[str, ...]] = ("conda_file", "build.path")
    also_accepted: ClassVar[frozenset[str]] = Resource.also_accepted | {"channels", "dependencies"}

    name: Annotated[str, BeforeValidator(named("environment"))] | None = Field(
        None, description="Name of the environment"
    )
    version: Version | None = Field(None, description="Version; unset: the next number")
    description: Text | None = Field(None, description="What it is, in words")
    image: Text | None = Field(None, description="Container image")
    build: Annotated[BuildContext, BeforeValidator(owned)] | None = Field(
        None, description="Folder with a Dockerfile"
    )
    conda_file: CondaFile = Field(None, description="Path of a conda file, or its content")
    tags: TextMap = Field(default_factory=dict, description="Labels to find it by")
    properties: TextMap = Field(default_factory=dict, description="Labels that stay with the version")
    datastore: Text | None = Field(None, description="A label")
    inference_config: AnyMap | None = Field(None, description="Accepted; without meaning here")
    os_type: Text | None = Field(None, description="A label")

    @classmethod
    def _fold(cls, values: dict[str, Any]) -> dict[str, Any]:
        for key in ("channels", "dependencies"):
            if key in values:
                raise ValidationException(
                    f"{key} belongs into the conda file.", field=key, hint="Write it under conda_file."
                )
        return _with_properties(without_unset(super()._fold(values)))

    def validate(self) -> None:  # type: ignore[override]  # pydantic's, which it has given up
        """Pass: a definition is checked when it is made, and whenever it is changed."""

    @model_validator(mode="after")
    def _image_or_build(self) -> Self:
        if self.image is not None and self.build is not None:
            error = ValidationException(
                "image and build exclude each other.",
                field="build",
                value=self.image,
                hint="Give one of them.",
            )
            raise carried(error, key="build")
        return self


def _with_properties(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with those tags as properties that were properties before an export."""
    tags = values.get("tags")
    if not isinstance(tags, Mapping) or not any(str(key).startswith(AS_TAG) for key in tags):
        return values
    moved = {key.removeprefix(AS_TAG): item for key, item in tags.items() if str(key).startswith(AS_TAG)}
    left = {key: item for key, item in tags.items() if not str(key).startswith(AS_TAG)}
    return {**values, "tags": left, "properties": {**moved, **(values.get("properties") or {})}}


class Data(Resource):
    """A file or folder of data, registered under a name."""

    shown_as: ClassVar[str] = "data"
    _schema_name: ClassVar[str] = "data"
    _paths: ClassVar[tuple[str, ...]] = ("path",)

    name: Annotated[str, BeforeValidator(named("data"))] | None = Field(None, description="Name of the data")
    version: Version | None = Field(None, description="Version; unset: the next number")
    description: Text | None = Field(None, description="What it is, in words")
    type: Annotated[Literal["uri_file", "uri_folder", "mltable"], BeforeValidator(one_of(_DATA_TYPES))] = (
        Field("uri_folder", description="Whether the path is a file or a folder")
    )
    path: PathText = Field(description="The file or folder, or its URI")
    tags: TextMap = Field(default_factory=dict, description="Labels to find it by")
    properties: TextMap = Field(default_factory=dict, description="Labels that stay with the version")
    datastore: Text | None = Field(None, description="A label")
