"""A batch endpoint: the stable name in front of deployments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from batchmagic.entities.base import Resource
from batchmagic.entities.fields import AnyMap, EndpointName, Text, TextMap, one_of
from batchmagic.entities.problems import carried, wrong
from batchmagic.errors import BatchMagicError, UnknownField, ValidationException
from batchmagic.names import check_name

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue

_AUTH = ("aad_token", "key", "aml_token")
_KEY = "deployment_name"


class EndpointDefaults(dict[str, str]):
    """The defaults of an endpoint: a dictionary with the one key ``deployment_name``, which is an attribute too."""

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__()
        self.update(*args, **values)

    @property
    def deployment_name(self) -> str | None:
        """The deployment that an invoke without one goes to; None if there is none."""
        return self.get(_KEY)

    @deployment_name.setter
    def deployment_name(self, name: str | None) -> None:
        self[_KEY] = name

    def __setitem__(self, key: str, name: str | None) -> None:
        if key != _KEY:
            raise UnknownField(field=key, owner="defaults", known=[_KEY])
        if name is None:
            self.pop(_KEY, None)
        elif isinstance(name, str):
            super().__setitem__(_KEY, check_name("deployment", name.lower()))
        else:
            raise ValidationException(field="defaults.deployment_name", value=name, reason="must be text")

    def __setattr__(self, name: str, value: Any) -> None:
        if name != _KEY:
            raise UnknownField(field=name, owner="defaults", known=[_KEY])
        super().__setattr__(name, value)

    def setdefault(self, key: str, name: str | None = None) -> str | None:  # type: ignore[override]
        """Return the value of `key`, which is `name` from now on if there was none."""
        if key not in self:
            self[key] = name
        return self.get(key)

    def update(self, *args: Any, **values: Any) -> None:
        """Set every key of a mapping, or of keyword arguments."""
        for key, name in dict(*args, **values).items():
            self[key] = name

    def __ior__(self, other: Any) -> Self:  # type: ignore[override,misc]
        self.update(other)
        return self

    @classmethod
    def _validated(cls, value: Any) -> EndpointDefaults:
        if value is None:
            return cls()
        if not isinstance(value, Mapping):
            raise wrong("must be a mapping with deployment_name")
        try:
            return cls(value)
        except UnknownField as error:
            raise carried(error, key=error.field) from None
        except BatchMagicError as error:
            raise carried(error, key=None) from None

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validated, serialization=core_schema.plain_serializer_function_ser_schema(dict)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        name = {"type": "string", "description": "The deployment that an invoke without one goes to"}
        return {"type": "object", "properties": {_KEY: name}, "additionalProperties": False}


class BatchEndpoint(Resource):
    """A batch endpoint.

    Parameters
    ----------
    name
        3 to 32 letters, digits and dashes; lower-cased.
    defaults
        ``{"deployment_name": …}``. Never None: ``endpoint.defaults.deployment_name = …`` always works.
    default_deployment_name
        The same in short; ignored when `defaults` is given.
    auth_mode
        ``aad_token``, ``key`` or ``aml_token``: a label here.
    """

    shown_as: ClassVar[str] = "endpoint"
    _schema_name: ClassVar[str] = "batchEndpoint"
    also_accepted: ClassVar[frozenset[str]] = Resource.also_accepted | {"default_deployment_name"}

    name: EndpointName = Field(description="Name of the endpoint")
    description: Text | None = Field(None, description="What it is, in words")
    tags: TextMap = Field(default_factory=dict, description="Labels to find it by")
    properties: TextMap = Field(default_factory=dict, description="Labels")
    auth_mode: Annotated[Literal["aad_token", "key", "aml_token"], BeforeValidator(one_of(_AUTH))] = Field(
        "aad_token", description="A label"
    )
    defaults: EndpointDefaults = Field(default_factory=EndpointDefaults, description="The default deployment")
    location: Text | None = Field(None, description="A label")
    identity: AnyMap | None = Field(None, description="Accepted; without meaning here")

    @property
    def default_deployment_name(self) -> str | None:
        """The same as ``defaults.deployment_name``."""
        return self.defaults.deployment_name

    @default_deployment_name.setter
    def default_deployment_name(self, name: str | None) -> None:
        self.defaults.deployment_name = name

    @property
    def scoring_uri(self) -> str | None:
        """Where it can be invoked over HTTPS; None while no server runs."""
        return self._origin.scoring_uri

    @property
    def openapi_uri(self) -> str | None:
        """Where its OpenAPI description is; None while no server runs."""
        return self._origin.openapi_uri

    @classmethod
    def _fold(cls, values: dict[str, Any]) -> dict[str, Any]:
        values = super()._fold(values)
        name = values.pop("default_deployment_name", None)
        if values.get("defaults") is None and name is not None:
            values["defaults"] = {_KEY: name}
        return values
