"""What a job reads and writes."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from batchmagic.entities.base import Entity
from batchmagic.entities.fields import PathText, Text, Version, one_of

_ASSETS = ("uri_folder", "uri_file", "mltable", "mlflow_model", "custom_model", "triton_model")
LITERALS = ("string", "boolean", "number", "integer")

AssetType = Annotated[
    Literal["uri_folder", "uri_file", "mltable", "mlflow_model", "custom_model", "triton_model"],
    BeforeValidator(one_of(_ASSETS)),
]
InputType = Annotated[
    Literal[
        "uri_folder", "uri_file", "mltable", "mlflow_model", "custom_model", "triton_model",
        "string", "boolean", "number", "integer",
    ],
    BeforeValidator(one_of((*_ASSETS, *LITERALS))),
]  # fmt: skip


class Input(Entity):
    """The data of a job: a path, a URI or a registered asset.

    Parameters
    ----------
    type
        ``uri_folder`` or ``uri_file``; `type_given` says whether anybody said so.
    path
        Text or a path object.
    """

    _paths: ClassVar[tuple[str, ...]] = ("path",)

    type: InputType = Field("uri_folder", description="What the path is")
    path: PathText | None = Field(None, description="The file or folder, its URI, or a data asset")
    mode: Text | None = Field(None, description="Accepted: local data is read where it is")
    path_on_compute: Text | None = Field(None, description="Accepted; without meaning here")
    default: Any = Field(None, description="Of a literal input")
    optional: bool | None = Field(None, description="Of a literal input")
    min: Any = Field(None, description="Of a literal input")
    max: Any = Field(None, description="Of a literal input")
    enum: Any = Field(None, description="Of a literal input")
    description: Text | None = Field(None, description="What it is, in words")
    datastore: Text | None = Field(None, description="A label")

    @property
    def type_given(self) -> bool:
        """Whether the type was given; if not, a path to a file may be taken for a file."""
        return "type" in self.model_fields_set


class Output(Entity):
    """Where the output of a job goes."""

    type: AssetType = Field("uri_folder", description="What the path is")
    path: PathText | None = Field(None, description="The folder, or the file")
    mode: Text | None = Field(None, description="Accepted; without meaning here")
    name: Text | None = Field(None, description="Name to register it under")
    version: Version | None = Field(None, description="Version to register it under")
    description: Text | None = Field(None, description="What it is, in words")
