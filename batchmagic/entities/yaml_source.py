"""YAML text to plain data that remembers where everything stood."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from batchmagic.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MAX_BYTES = 1024 * 1024
MAX_DEPTH = 50
MAX_ALIASES = 100
# What 100 aliases could multiply to when the data is walked is bounded as well.
MAX_NODES = 200_000

_Place = tuple[int, int]
_Path = tuple[str | int, ...]
_BaseLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_BaseDumper: Any = yaml.SafeDumper

_PREFIX = "tag:yaml.org,2002:"
_NULL = re.compile(r"^(?:~|null|Null|NULL|)$")
_BOOL = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_INT = re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$")
_FLOAT = re.compile(
    r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
)


class _SourceInt(int):
    text: str


class _SourceFloat(float):
    text: str


def source_text(number: float) -> str:
    """Return a number as it was written: ``1.10`` stays 1.10, ``007`` stays 007."""
    return str(getattr(number, "text", number))


class _Loader(_BaseLoader):  # type: ignore[misc]  # libyaml may be missing
    """Reads the core types of YAML 1.2: ``yes`` and ``12:30`` are text, as users of YAML mean them."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own way


class _Dumper(_BaseDumper):  # type: ignore[misc]
    """Quotes whatever either YAML version would take for something other than text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def _represent_text(dumper: Any, text: str) -> Any:
    # Line breaks other than \n get lost in any style but this one.
    unusual = any(not char.isprintable() and char != "\n" for char in text)
    return dumper.represent_scalar(_PREFIX + "str", text, style='"' if unusual else None)


_Dumper.add_representer(str, _represent_text)
_NUMBER_STARTS = list("-+0123456789.")
_Loader.add_implicit_resolver(_PREFIX + "bool", _BOOL, list("tTfF"))
_Loader.add_implicit_resolver(_PREFIX + "null", _NULL, ["~", "n", "N", ""])
_Loader.add_implicit_resolver(_PREFIX + "merge", re.compile(r"^(?:<<)$"), ["<"])
for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(_PREFIX + "int", _INT, _NUMBER_STARTS)
    _kind.add_implicit_resolver(_PREFIX + "float", _FLOAT, _NUMBER_STARTS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One YAML document as plain data, with the places of its keys and values.

    Attributes
    ----------
    data
        Dictionaries, lists, text, numbers, booleans and None.
    name
        What errors call the source: a path, or ``<yaml>``.
    overridden
        Dotted keys whose values do not come from the text.
    """

    data: Any
    name: str = "<yaml>"
    places: dict[_Path, _Place] = field(default_factory=dict)
    key_places: dict[_Path, _Place] = field(default_factory=dict)
    overridden: tuple[str, ...] = ()

    def position(self, location: _Path, *, key: bool = False) -> _Place:
        """Return line and column of the value at `location`, or of its key, else of what is around it.

        Entities fold aliases together (``settings.timeout`` may have been written ``timeout`` or
        ``batchmagic.timeout``), so what is not found by its full path is looked for by its last part.
        """
        places = self.key_places if key else self.places
        if location in places:
            return places[location]
        last = str(location[-1]) if location else ""
        for path, place in places.items():
            if path and last and (str(path[-1]) == last or str(path[-1]).endswith(f".{last}")):
                return place
        return self.position(location[:-1]) if location else (1, 1)

    def describe(self, location: _Path) -> str:
        """Return the last part of `location` with its line, for a list of further problems."""
        return f"{location[-1] if location else 'document'} (line {self.position(location)[0]})"

    def error(self, reason: str, *, at: _Path = (), hint: str = "") -> DefinitionError:
        """Return an error that points at `at`."""
        return refused(reason, self.name, self.position(at), hint=hint)


def refused(reason: str, name: str, place: _Place | None = None, *, hint: str = "") -> DefinitionError:
    """Return an error about the source `name`, as a sentence that a hint can follow."""
    line, column = place or (None, None)
    return DefinitionError(f"{reason.rstrip('.')}.", source=name, line=line, column=column, hint=hint)


def read_documents(
    text: str, *, name: str = "<yaml>", values: Mapping[str, Callable[[], Any]] | None = None
) -> list[Document]:
    """Return every document of `text` that is not empty.

    Parameters
    ----------
    values
        Placeholders, and what returns the plain value that each stands for. A scalar that is a placeholder and
        nothing else becomes that value, whatever its type; inside a longer one it becomes text.

    Raises
    ------
    DefinitionError
        With line and column: for broken YAML, a tag or an alias that is not allowed here, a key that
        stands twice, and for what is larger or deeper than a definition can be.
    """
    try:
        if len(text.encode()) > MAX_BYTES:
            raise refused("the definition is larger than 1 MiB", name)
        _check_limits(text, name)
        loader = _Loader(text)
        try:
            nodes = list(_nodes(loader))
            return [
                _Builder(loader, name, values or {}).document(node) for node in nodes if not _is_empty(node)
            ]
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise _broken(error, name) from None
    except yaml.reader.ReaderError as error:
        raise _bad_character(text, error.position, name) from None
    except UnicodeEncodeError as error:
        raise _bad_character(text, error.start, name) from None


def read_document(
    text: str, *, name: str = "<yaml>", values: Mapping[str, Callable[[], Any]] | None = None
) -> Document:
    """Return the only document of `text`, see `read_documents`; none and several are errors."""
    found = read_documents(text, name=name, values=values)
    if not found:
        raise refused("there is nothing in it", name, hint="Write at least a name.")
    if len(found) > 1:
        raise DefinitionError(
            f"{len(found)} documents where one is expected",
            source=name,
            hint="Use apply for several documents.",
        )
    return found[0]


def write_yaml(data: Any) -> str:
    """Return block-style YAML that both `read_document` and Azure's loader read back to `data`."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False))


def read_scalar(text: str) -> Any:
    """Return what `text` is as a value in YAML: a number, true, null, quoted text, ``[…]``, ``{…}``; else itself."""
    if _NULL.match(text) and text:
        return None
    if text[:1] not in {"[", "{", "'", '"'} and not any(form.match(text) for form in (_BOOL, _INT, _FLOAT)):
        return text
    try:
        return read_document(text).data
    except DefinitionError:
        return text


def _bad_character(text: str, position: int, name: str) -> DefinitionError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return refused("a character that YAML does not allow", name, (line, column))


def _broken(error: yaml.MarkedYAMLError, name: str) -> DefinitionError:
    mark = error.problem_mark or error.context_mark
    reason = error.problem or error.context or "broken YAML"
    return refused(reason, name, None if mark is None else (mark.line + 1, mark.column + 1))


def _check_limits(text: str, name: str) -> None:
    # Events come one by one, so that hostile depth is seen before anything recurses into it.
    depth = aliases = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
        if depth > MAX_DEPTH or aliases > MAX_ALIASES:
            reason = (
                f"more than {MAX_DEPTH} levels" if depth > MAX_DEPTH else f"more than {MAX_ALIASES} aliases"
            )
            raise refused(reason, name, _place(event))


def _nodes(loader: Any) -> Iterator[Any]:
    while loader.check_node():
        yield loader.get_node()


def _is_empty(node: Any) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag == _PREFIX + "null"


class _Builder:
    """Walks the nodes of one document; counts what it makes and knows where it is."""

    def __init__(self, loader: Any, name: str, values: Mapping[str, Callable[[], Any]]) -> None:
        self._loader = loader
        self._name = name
        self._values = values
        self._placeholder = re.compile("|".join(map(re.escape, values))) if values else None
        self._places: dict[_Path, _Place] = {}
        self._key_places: dict[_Path, _Place] = {}
        self._open: set[int] = set()
        self._made = 0

    def document(self, node: Any) -> Document:
        data = self._value(node, ())
        self._places[()] = _place(node)
        return Document(data=data, name=self._name, places=self._places, key_places=self._key_places)

    def _error(self, node: Any, reason: str, hint: str = "") -> DefinitionError:
        return refused(reason, self._name, _place(node), hint=hint)

    def _value(self, node: Any, path: _Path) -> Any:
        self._made += 1
        if self._made > MAX_NODES:
            raise self._error(node, f"more than {MAX_NODES} values once its aliases are followed")
        self._places.setdefault(path, _place(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise self._error(node, "an anchor that contains itself")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                self._expect(node, "seq")
                return [self._value(item, (*path, index)) for index, item in enumerate(node.value)]
            return self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: Any, path: _Path) -> dict[str, Any]:
        self._expect(node, "map")
        own: dict[str, Any] = {}
        merged: dict[str, Any] | None = None
        for key_node, value_node in node.value:
            if key_node.tag == _PREFIX + "merge":
                if merged is not None:
                    raise self._error(
                        key_node, "the key '<<' stands here twice", "Give it a list of mappings."
                    )
                merged = self._merged(value_node, path)
                continue
            key = self._key(key_node)
            if key in own:
                raise self._error(key_node, f"the key {key!r} stands here twice")
            self._key_places[(*path, key)] = _place(key_node)
            own[key] = self._value(value_node, (*path, key))
        return {**(merged or {}), **own}

    def _merged(self, node: Any, path: _Path) -> dict[str, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Any] = {}
        for source in sources:
            if not isinstance(source, yaml.MappingNode):
                raise self._error(source, "<< takes a mapping or a list of mappings")
            found = self._value(source, path)
            result = {**found, **result}
        return result

    def _key(self, node: Any) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag == _PREFIX + "null":
            raise self._error(node, "a key must be text")
        return self._filled(str(node.value))

    def _filled(self, text: str) -> str:
        if self._placeholder is None:
            return text
        return self._placeholder.sub(lambda found: str(self._values[found[0]]()), text)

    def _expect(self, node: Any, kind: str) -> None:
        if node.tag != _PREFIX + kind:
            raise self._error(node, f"the tag {node.tag!r} is not allowed", "Write plain values.")

    def _scalar(self, node: Any) -> Any:
        kind = node.tag.removeprefix(_PREFIX)
        if kind == "null":
            return None
        if kind == "bool":
            return str(node.value).lower() == "true"
        if kind in {"str", "timestamp"}:
            return self._values[node.value]() if node.value in self._values else self._filled(node.value)
        if kind not in {"int", "float"}:
            raise self._error(node, f"the tag {node.tag!r} is not allowed", "Write plain values.")
        try:
            return _integer(node.value) if kind == "int" else _float(node.value)
        except ValueError:
            raise self._error(node, f"{node.value[:40]!r} is not a number that can be read") from None


def _place(node: Any) -> _Place:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _integer(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    number = _SourceInt(text, base)
    number.text = text
    return number


def _float(text: str) -> float:
    number = _SourceFloat(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    number.text = text
    return number
