"""JSON Schema as Gemini's ``Schema``, and back.

Gemini's is a selection of OpenAPI 3.0 (https://ai.google.dev/api/caching#Schema): no references, one type a schema,
``nullable`` for null, enums of text alone, and a 400 for every keyword that it does not know. What is said here is what
all of its models take, the old ones included: ``anyOf`` stands alone, every schema has a type, arrays have items.

What cannot be said is left out, so that the result accepts more than the original, never less, except that a reference
to what is just being written out (a recursive type) becomes a plain object. Names of types are written in lower case,
as the provider's guides write them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from ...errors import BadRequest

__all__ = ["from_gemini", "has_free_object", "to_gemini"]

Schema = dict[str, Any]

_INDEX: Final = re.compile("0|[1-9][0-9]{0,8}")
"""As RFC 6901 has it, and none that is longer than any list."""

_EXACT: Final = 2**53
"""Above, providers read numbers as doubles, to which 1 makes no difference."""

_MOST = 5_000
"""Schemas that one may have once its references are written out: a chain of definitions that each use the next one
twice doubles with every link."""

_KINDS: Final = ("object", "array", "string", "number", "integer", "boolean", "null")

_ANY: Final = tuple({"type": kind} for kind in ("string", "number", "boolean"))
"""What stands for "anything": without a type a schema is refused, and so is an object without properties, by some."""

_ABOUT: Final[dict[str, type]] = {"title": str, "description": str}
_INTEGERS: Final = int
_NUMBERS: Final = (int, float)

_OF_KIND: Final[dict[str, dict[str, type | tuple[type, ...]]]] = {
    "string": {"minLength": _INTEGERS, "maxLength": _INTEGERS, "pattern": str},
    "number": {"minimum": _NUMBERS, "maximum": _NUMBERS},
    "integer": {"minimum": _NUMBERS, "maximum": _NUMBERS},
    "array": {"minItems": _INTEGERS, "maxItems": _INTEGERS},
    "object": {"minProperties": _INTEGERS, "maxProperties": _INTEGERS, "propertyOrdering": list},
}
"""The keywords of each type that are copied, and what they have to be."""

_FORMATS: Final[dict[str, frozenset[str]]] = {
    "string": frozenset({"date-time", "enum"}),
    "number": frozenset({"float", "double"}),
    "integer": frozenset({"int32", "int64"}),
}
"""All others are a 400: "only 'enum' and 'date-time' are supported for STRING type"."""

_HINTS: Final[dict[str, tuple[str, ...]]] = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "contentEncoding"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""What a schema without a type is of, by the keywords it has."""


def to_gemini(schema: Mapping[str, Any], param: str = "schema", *, arguments: bool = False) -> Schema | None:
    """A JSON Schema in Gemini's words. ``arguments``: it is that of a function's arguments, which have to be an object;
    None when it has no properties, since an empty object is refused there.

    :raises BadRequest: it is too large with its references written out; ``param`` names it
    """
    writer = _Writer(schema, param)
    try:
        written = writer.arguments(schema) if arguments else writer.schema(schema)
    except RecursionError:
        raise writer.too_large() from None
    return None if arguments and not written.get("properties") else written


def has_free_object(schema: Mapping[str, Any]) -> bool:
    """Whether an object without properties is in it, which not all models take in this form."""
    if schema.get("type") == "object" and not schema.get("properties"):
        return True
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    return any(map(has_free_object, [*inner, schema["items"]] if "items" in schema else inner))


class _Writer:
    """One schema on its way: the root for its references, those being written out, and how much was written."""

    def __init__(self, root: Mapping[str, Any], param: str) -> None:
        self._root = root
        self._param = param
        self._left = _MOST
        self._open: list[str] = []

    def too_large(self) -> BadRequest:
        return BadRequest(
            f"{self._param} is too large with its references written out. Flatten it, or use fewer references.",
            param=self._param,
            code="invalid_value",
        )

    def schema(self, value: object) -> Schema:
        self._left -= 1
        if self._left < 0:
            raise self.too_large()
        if not isinstance(value, Mapping):
            return {"anyOf": [dict(member) for member in _ANY]}  # true, false, or nonsense
        before = len(self._open)
        try:
            plain = self._plain(value)
            return {"type": "object", **_about(value)} if plain is None else self._written(plain)
        finally:
            del self._open[before:]

    def arguments(self, value: Mapping[str, Any]) -> Schema:
        """Alternatives of the whole are joined: what each of them allows is allowed, what all require is required."""
        before = len(self._open)
        plain = self._plain(value) or {}
        for members in self._alternatives(plain):
            objects = [member for member in map(self._member, members) if member.get("properties")]
            plain = {**_joined(objects, plain), **_without(plain, "anyOf", "oneOf", "properties", "required")}
        written = self._object({**plain, "type": "object"})
        del self._open[before:]
        return written

    def _member(self, value: object) -> Schema:
        return (self._plain(value) or {}) if isinstance(value, Mapping) else {}

    def _plain(self, value: Mapping[str, Any]) -> Schema | None:
        """Without ``$ref`` and ``allOf``: None for a reference to what is being written out already."""
        plain = dict(value)
        while isinstance(reference := plain.pop("$ref", None), str):
            if reference in self._open:
                return None
            self._open.append(reference)
            plain = {**self._resolved(reference), **plain}
        parts = plain.pop("allOf", None)
        if isinstance(parts, list):
            for part in parts:
                if isinstance(part, Mapping):
                    plain = _merged(plain, self._plain(part) or {})
        return plain

    def _resolved(self, reference: str) -> Mapping[str, Any]:
        """What a reference within the schema points at (RFC 6901); nothing for all others."""
        found: object = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = found[int(name)] if _INDEX.fullmatch(name) and int(name) < len(found) else None
            else:
                found = found.get(name) if isinstance(found, Mapping) else None
        return found if isinstance(found, Mapping) and reference.startswith("#") else {}

    def _alternatives(self, plain: Schema) -> list[list[object]]:
        return [members for key in ("anyOf", "oneOf") if isinstance(members := plain.get(key), list) and members]

    def _written(self, plain: Schema) -> Schema:
        choices = self._alternatives(plain)
        if choices and not plain.get("properties"):
            return self._any_of(plain, choices[0])
        if "enum" in plain or "const" in plain:
            return self._enum(plain)
        kinds = _kinds(plain)
        nullable = "null" in kinds or plain.get("nullable") is True
        kinds = [kind for kind in kinds if kind != "null"]
        if not kinds:
            members = [{"type": "string"}] if nullable else [dict(member) for member in _ANY]
            return _choice([{**member, **_about(plain)} for member in members], nullable)
        return _choice([self._of_kind(kind, plain) for kind in kinds], nullable)

    def _any_of(self, plain: Schema, members: list[object]) -> Schema:
        """Each alternative with what is said beside all of them, since nothing may stand beside ``anyOf``."""
        beside = _without(plain, "anyOf", "oneOf", "$defs", "definitions", "default", "nullable")
        nullable = plain.get("nullable") is True
        written: list[Schema] = []
        for member in members:
            if isinstance(member, Mapping) and member.get("type") == "null":
                nullable = True
                continue
            one = self.schema({**beside, **member} if isinstance(member, Mapping) else member)
            written += one.get("anyOf", [one])
        return _choice(written or [{"type": "string", **_about(plain)}], nullable)

    def _enum(self, plain: Schema) -> Schema:
        """One schema for each type among the values. Only text can be listed, and no empty one; numbers are told to the
        reader, and bounded."""
        kinds = _kinds(plain)
        listed = plain.get("enum")
        values = [plain["const"]] if "const" in plain else listed if isinstance(listed, list) else []
        nullable = None in values or "null" in kinds or plain.get("nullable") is True
        about = _about(plain)
        written: list[Schema] = []
        texts = _unique(value for value in values if isinstance(value, str) and value)
        if texts or any(value == "" for value in values):
            written.append({"type": "string", **about, **({"enum": texts} if texts else {})})
        numbers: dict[str, list[float]] = {}
        for value in values:
            if isinstance(value, _NUMBERS) and not isinstance(value, bool):
                whole = isinstance(value, int) and "number" not in kinds
                numbers.setdefault("integer" if whole else "number", []).append(value)
        for kind, listing in numbers.items():
            told = f"{about.get('description', '')} One of: {', '.join(map(str, listing))}.".lstrip()
            bounds = {"minimum": min(listing), "maximum": max(listing)}
            written.append({"type": kind, **about, "description": told, **bounds})
        if any(isinstance(value, bool) for value in values):
            written.append({"type": "boolean", **about})
        if any(isinstance(value, Mapping) for value in values):
            written.append({"type": "object", **about})
        if not written:
            return self._written(_without(plain, "enum", "const"))
        return _choice(written, nullable)

    def _of_kind(self, kind: str, plain: Schema) -> Schema:
        if kind == "object":
            return self._object(plain)
        written: Schema = {"type": kind, **_about(plain), **_copied(kind, plain)}
        form = plain.get("format")
        if isinstance(form, str) and form in _FORMATS.get(kind, ()):
            written["format"] = form
        if kind == "array":
            written["items"] = self._items(plain)
        return written

    def _object(self, plain: Schema) -> Schema:
        written: Schema = {"type": "object", **_about(plain), **_copied("object", plain)}
        properties = plain.get("properties")
        if isinstance(properties, Mapping) and properties:
            written["properties"] = {name: self.schema(value) for name, value in properties.items()}
            required = plain.get("required")
            names = [name for name in _unique(required) if name in properties] if isinstance(required, list) else []
            if names:
                written["required"] = names
            if "propertyOrdering" in written:
                order = _unique(written["propertyOrdering"])
                written["propertyOrdering"] = [name for name in order if name in properties]
        else:
            written.pop("propertyOrdering", None)
        return written

    def _items(self, plain: Schema) -> Schema:
        """One schema for all: a tuple's elements become alternatives."""
        items, first = plain.get("items"), plain.get("prefixItems")
        members = [*(first if isinstance(first, list) else ()), *(items if isinstance(items, list) else ())]
        if not members:
            return self.schema(items)
        if isinstance(items, Mapping):
            members.append(items)
        return self.schema({"anyOf": members})


def _about(plain: Mapping[str, Any]) -> Schema:
    return {key: plain[key] for key, kind in _ABOUT.items() if isinstance(plain.get(key), kind)}


def _copied(kind: str, plain: Schema) -> Schema:
    known = _OF_KIND.get(kind, {})
    copied = {
        key: plain[key]
        for key, wanted in known.items()
        if isinstance(plain.get(key), wanted) and not isinstance(plain[key], bool)
    }
    if "minimum" in known:
        # For integers a bound that is excluded is the next one included; for others there is no such thing.
        step = 1 if kind == "integer" else 0
        for key, excluded, beyond in (("minimum", "exclusiveMinimum", step), ("maximum", "exclusiveMaximum", -step)):
            bound = plain.get(excluded)
            if key not in copied and isinstance(bound, _NUMBERS) and not isinstance(bound, bool):
                copied[key] = bound + beyond if abs(bound) < _EXACT else bound
    return copied


def _kinds(plain: Mapping[str, Any]) -> list[str]:
    """The types, of those that there are, lower case, without repetition; guessed where none is told."""
    told = plain.get("type")
    names = told if isinstance(told, list) else [told]
    kinds = _unique(name.lower() for name in names if isinstance(name, str) and name.lower() in _KINDS)
    if kinds or told:
        return kinds
    return next(([kind] for kind, hints in _HINTS.items() if any(hint in plain for hint in hints)), [])


def _choice(members: list[Schema], nullable: bool) -> Schema:
    """One of several, alone where there is one."""
    if nullable:
        members = [{**member, "nullable": True} for member in members]
    distinct = [member for index, member in enumerate(members) if member not in members[:index]]
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _merged(one: Schema, other: Mapping[str, Any]) -> Schema:
    """What both say; of what only one of them can say, ``one`` says it."""
    merged = {**other, **one}
    for key in ("properties", "$defs"):
        if isinstance(one.get(key), Mapping) and isinstance(other.get(key), Mapping):
            merged[key] = {**other[key], **one[key]}
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        merged["required"] = [*one["required"], *other["required"]]
    return merged


def _joined(members: list[Schema], beside: Schema) -> Schema:
    own = beside.get("properties")
    properties = dict(own) if isinstance(own, Mapping) else {}
    for member in members:
        if isinstance(member["properties"], Mapping):
            properties = {**member["properties"], **properties}
    needed = [set(_names(member.get("required"))) for member in members]
    common = set.intersection(*needed) if needed else set()
    required = [*_names(beside.get("required")), *(name for name in properties if name in common)]
    return {"properties": properties, "required": required}


def _names(value: object) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _without(plain: Mapping[str, Any], *keys: str) -> Schema:
    return {key: value for key, value in plain.items() if key not in keys}


def _unique(values: Iterable[Any]) -> list[Any]:
    return list(dict.fromkeys(value for value in values if isinstance(value, str)))


_CAMEL: Final = {
    "any_of": "anyOf",
    "max_items": "maxItems",
    "min_items": "minItems",
    "max_length": "maxLength",
    "min_length": "minLength",
    "max_properties": "maxProperties",
    "min_properties": "minProperties",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
    "defs": "$defs",
    "ref": "$ref",
}
_COUNTS: Final = ("maxItems", "minItems", "maxLength", "minLength", "maxProperties", "minProperties")


def from_gemini(schema: Mapping[str, Any]) -> Schema:
    """Gemini's ``Schema`` as JSON Schema; what is JSON Schema already stays as it is.

    :raises RecursionError: it is nested too deeply
    """
    plain = {_CAMEL.get(key, key): value for key, value in schema.items()}
    nullable = plain.pop("nullable", None) is True
    order = plain.pop("propertyOrdering", None)
    read = {key: _read(key, value) for key, value in plain.items()}
    kind = read.get("type")
    if kind == "type_unspecified":
        del read["type"]
    if read.get("format") == "enum":
        del read["format"]
    if isinstance(values := read.get("enum"), list) and kind in ("integer", "number"):
        read["enum"] = [_number(value) for value in values]
    if "example" in read:
        read["examples"] = [read.pop("example")]
    if isinstance(order, list) and isinstance(properties := read.get("properties"), dict):
        first = [name for name in order if isinstance(name, str) and name in properties]
        read["properties"] = {name: properties[name] for name in dict.fromkeys([*first, *properties])}
    return _nullable(read) if nullable else read


def _read(key: str, value: Any) -> Any:
    if key == "type" and isinstance(value, str):
        return value.lower()
    if key in ("items", "additionalProperties") and isinstance(value, Mapping):
        return from_gemini(value)
    if key in ("properties", "$defs") and isinstance(value, Mapping):
        return {name: from_gemini(one) if isinstance(one, Mapping) else one for name, one in value.items()}
    if key == "anyOf" and isinstance(value, list):
        return [from_gemini(one) if isinstance(one, Mapping) else one for one in value]
    if key == "$ref" and isinstance(value, str) and value.startswith("#/defs/"):
        return "#/$" + value[2:]
    if key in _COUNTS:
        return _number(value)  # 64 bit integers are text in the JSON of protocol buffers
    return value


def _nullable(read: Schema) -> Schema:
    if isinstance(read.get("type"), str):
        read["type"] = [read["type"], "null"]
    elif isinstance(read.get("anyOf"), list):
        read["anyOf"] = [*read["anyOf"], {"type": "null"}]
    if isinstance(read.get("enum"), list):
        read["enum"] = [*read["enum"], None]
    return read


def _number(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        number = int(value) if value.lstrip("-").isdecimal() else float(value)
    except ValueError:
        return value
    return number if math.isfinite(number) else value
