"""What all entities share: construction with our errors, dictionaries, YAML, and what the workspace adds."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast, get_type_hints

import pydantic
from pydantic import BaseModel, ConfigDict, PrivateAttr, model_serializer, model_validator

from batchmagic.entities.foreign import is_foreign, taken_over
from batchmagic.entities.problems import carried, raise_first
from batchmagic.entities.references import relocated
from batchmagic.entities.yaml_source import Document, write_yaml
from batchmagic.errors import BatchMagicError, UnknownField, ValidationException
from batchmagic.redaction import redact_uris

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pydantic._internal._model_construction import ModelMetaclass as _ModelType
else:
    # Pydantic publishes its metaclass in no other way.
    _ModelType = type(BaseModel)

SCHEMA_KEY = "$schema"
_SCHEMAS = "https://azuremlschemas.azureedge.net/latest/"
T = TypeVar("T")
R = TypeVar("R", bound="Resource")


class _EntityType(_ModelType):
    _positional: ClassVar[tuple[str, ...]]

    # Only the outermost call translates: within a nested entity pydantic still has to add its place.
    def __call__(cls, *positional: Any, **values: Any) -> Any:  # noqa: N805 - of a metaclass
        values.update(zip(cls._positional, positional, strict=False))
        if len(positional) > len(cls._positional):
            raise TypeError(f"{cls.__name__} takes keyword arguments only")
        try:
            return super().__call__(**values)
        except pydantic.ValidationError as error:
            raise_first(error, owner=cls.__name__)


class Alias(Generic[T]):
    """A second name of a field that lives in a part of the entity; reading and writing go to the part."""

    def __init__(self, part: str, name: str = "") -> None:
        self.part = part
        self.name = name

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = self.name or name

    def __get__(self, entity: Any, owner: type | None = None) -> T:
        if entity is None:
            return cast("T", self)
        part = getattr(entity, self.part)
        return cast("T", None if part is None else getattr(part, self.name))

    def __set__(self, entity: Any, value: Any) -> None:
        part = getattr(entity, self.part)
        if part is None:
            setattr(entity, self.part, {self.name: value})
        else:
            setattr(part, self.name, value)


class Entity(BaseModel, metaclass=_EntityType):
    """A definition with Azure's fields: mutable, checked at construction and at every assignment."""

    model_config = ConfigDict(
        extra="forbid", validate_assignment=True, protected_namespaces=(), ignored_types=(Alias,)
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **options: Any) -> None:
        super().__pydantic_init_subclass__(**options)
        # What a notebook shows on Shift-Tab; pydantic's own is full of validators.
        cls.__signature__ = inspect.Signature(cls._parameters())

    @classmethod
    def _parameters(cls) -> list[inspect.Parameter]:
        hints = get_type_hints(cls)
        return [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty
                if info.is_required()
                else info.default
                if info.default_factory is None
                else None,
                annotation=hints[name],
            )
            for name, info in cls.model_fields.items()
        ]

    # The kind of twin that a notebook shows; empty for a part, which has none.
    shown_as: ClassVar[str] = ""
    # Keys that are understood although no field has that name, because `_fold` puts them where they belong.
    also_accepted: ClassVar[frozenset[str]] = frozenset()
    _positional: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def known_keys(cls) -> frozenset[str]:
        """Return every key that a definition of this kind may have."""
        return frozenset(cls.model_fields) | cls.also_accepted

    @classmethod
    def _fold(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return `values` with aliases put where they belong."""
        return values

    @model_validator(mode="before")
    @classmethod
    def _intake(cls, values: Any, info: pydantic.ValidationInfo) -> Any:
        assigned = isinstance(info.context, dict) and info.context.get("assigned") is cls
        known = cls.known_keys()
        if is_foreign(values):
            values = taken_over(values, known)
        if assigned or not isinstance(values, Mapping):
            return values
        for key in values:
            if key not in known:
                shown = sorted(key for key in known if not key.startswith("$"))
                raise carried(UnknownField(field=str(key), owner=cls.__name__, known=shown), key=str(key))
        try:
            return cls._fold(dict(values))
        except BatchMagicError as error:
            raise carried(error, key=error.target) from None

    @model_serializer(mode="wrap")
    def _without_nothing(self, handler: Any) -> dict[str, Any]:
        values = {key: value for key, value in handler(self).items() if value is not None and value != {}}
        return self._shape(values)

    def _shape(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return the dumped `values` in the form of Azure's YAML."""
        return values

    def __setattr__(self, name: str, value: Any) -> None:
        kind = type(self)
        if name.startswith("_"):
            super().__setattr__(name, value)
        elif isinstance(getattr(kind, name, None), Alias | property):
            self._set_property(name, value)
        elif name not in kind.model_fields:
            raise UnknownField(field=name, owner=kind.__name__, known=sorted(kind.known_keys()))
        else:
            self._assign(name, value)

    def _assign(self, name: str, value: Any) -> None:
        # A model validator that refuses leaves the new value behind: what was there is put back.
        before = dict(self.__dict__)
        context = {"assigned": type(self)}
        try:
            self.__pydantic_validator__.validate_assignment(self, name, value, context=context)
        except pydantic.ValidationError as error:
            self.__dict__.update(before)
            raise_first(error, owner=type(self).__name__)

    def _set_property(self, name: str, value: Any) -> None:
        try:
            object.__setattr__(self, name, value)
        except AttributeError:
            raise ValidationException(
                field=name, value=value, reason="cannot be set: it is read-only"
            ) from None

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        # Without what is not set and without what may be secret.
        yield from _shown(self.model_dump()).items()

    def __str__(self) -> str:
        return write_yaml(self.to_dict())

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any] | None:  # noqa: ARG002
        if not self.shown_as:
            return None
        from batchmagic.entities.documents import document_of  # noqa: PLC0415 - it knows this module
        from batchmagic.twins import bundle  # noqa: PLC0415 - only what is displayed needs them

        return bundle(self.shown_as, document_of(self))

    def to_dict(self, *, reveal: bool = False) -> dict[str, Any]:
        """Return the definition in the form of Azure's YAML, without what is not set.

        Parameters
        ----------
        reveal
            Whether the values of environment variables are in it. Without, they are None: what is stored,
            shown or exported carries only that they are set. With, `from_dict` gives an equal entity.
        """
        return self.model_dump(mode="json", context={"reveal": reveal})

    @classmethod
    def from_dict(cls, values: Any, *, source: Document | None = None) -> Self:
        """Return the entity that `values` define.

        Parameters
        ----------
        values
            A mapping in the form of `to_dict` or of any YAML that Azure accepts, or an object of Azure's package.
        source
            The YAML document that they come from; errors then carry its line and column.

        Raises
        ------
        DefinitionError
            With `source`, for anything wrong.
        ValidationException
            Without.
        """
        try:
            return cls.model_validate(values)
        except pydantic.ValidationError as error:
            raise_first(error, owner=cls.__name__, document=source)


@dataclass(frozen=True, kw_only=True, slots=True)
class CreationContext:
    """When a thing was made and last changed; times are aware and can be subtracted."""

    created_at: datetime | None = None
    last_modified_at: datetime | None = None
    created_by: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """What the workspace knows of a stored entity beyond its definition.

    Attributes
    ----------
    authority
        The file with the certificate that callers of those addresses must trust.
    around
        How things stood around it when it was read, for its twin: its default, its deployments, what runs.
    """

    id: str | None = None
    provisioning_state: str | None = None
    creation_context: CreationContext = field(default_factory=CreationContext)
    scoring_uri: str | None = None
    openapi_uri: str | None = None
    authority: str | None = None
    around: Mapping[str, Any] = field(default_factory=dict, compare=False)


# `az … show` prints them; a file made from its output loads.
_READ_ONLY = frozenset(
    {
        "id",
        "creation_context",
        "provisioning_state",
        "provisioning_errors",
        "created_on",
        "scoring_uri",
        "openapi_uri",
        "resourceGroup",
        "resource_group",
        "latest_version",
        "job_name",
        "intellectual_property",
    }
)


class Resource(Entity):
    """An entity that is kept in the workspace by name."""

    # The last part of its $schema, without `.schema.json`.
    _schema_name: ClassVar[str] = ""
    # Where paths stand: dotted names of fields that hold text.
    _paths: ClassVar[tuple[str, ...]] = ()
    also_accepted: ClassVar[frozenset[str]] = _READ_ONLY | {SCHEMA_KEY, "kind"}

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def id(self) -> str | None:
        """Its identifier in the workspace; None until it is stored."""
        return self._origin.id

    @property
    def base_path(self) -> str:
        """The folder that relative paths of the definition are seen from."""
        return str(Path.cwd())

    @property
    def creation_context(self) -> CreationContext:
        """When it was made and last changed."""
        return self._origin.creation_context

    @property
    def provisioning_state(self) -> str | None:
        """``Succeeded`` once it is stored."""
        return self._origin.provisioning_state

    @classmethod
    def _fold(cls, values: dict[str, Any]) -> dict[str, Any]:
        dropped = (_READ_ONLY | {SCHEMA_KEY, "kind"}) - frozenset(cls.model_fields)
        return {key: value for key, value in values.items() if key not in dropped}

    def dump(self, dest: str | os.PathLike[str] | IO[str], *, reveal: bool = False) -> None:
        """Write the definition as YAML, which then loads to an equal entity, from its new place too.

        Parameters
        ----------
        dest
            A path, or an open text file.
        reveal
            See `to_dict`.
        """
        values = {SCHEMA_KEY: f"{_SCHEMAS}{self._schema_name}.schema.json"}
        if isinstance(dest, str | os.PathLike):
            target = Path(dest)
            moved = self.model_copy(deep=True)
            moved.resolve_paths(Path.cwd())
            target.write_text(write_yaml({**values, **moved.to_dict(reveal=reveal)}), encoding="utf-8")
        else:
            dest.write(write_yaml({**values, **self.to_dict(reveal=reveal)}))

    def resolve_paths(self, base: Path) -> None:
        """Make every relative local path of the definition absolute, seen from the folder `base`."""
        for dotted in self._paths:
            part, _, name = dotted.rpartition(".")
            holder = getattr(self, part) if part else self
            value = getattr(holder, name, None)
            if isinstance(value, str):
                setattr(holder, name, relocated(value, base))


def _shown(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    return redact_uris(value) if type(value) is str else value


def stamp(entity: Resource, origin: Origin) -> None:
    """Give a stored entity its read-only properties."""
    entity._origin = origin  # noqa: SLF001 - the one way in, for the workspace


def surrounded(entity: R, **around: Any) -> R:
    """Return the entity, whose twin also shows how things stand around it."""
    entity._origin = replace(entity._origin, around=around)  # noqa: SLF001
    return entity


def origin_of(entity: Resource) -> Origin:
    """Return what the workspace knows of the entity."""
    return entity._origin  # noqa: SLF001


def given_twice(given: Iterable[tuple[str, Any]]) -> Any:
    """Return the one value that stands under several names, None if there is none.

    Raises
    ------
    ValidationException
        If two of them have different values.
    """
    found = [(name, value) for name, value in given if value is not None]
    for name, value in found[1:]:
        if str(value) != str(found[0][1]):
            raise ValidationException(
                field=name,
                value=value,
                reason=f"differs from {found[0][0]}, which means the same",
                hint="Give one of them.",
            )
    return found[0][1] if found else None
