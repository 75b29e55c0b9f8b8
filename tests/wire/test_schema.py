"""JSON Schema in Gemini's words, and back."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import msgspec
import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from oneapi_asgi.errors import BadRequest
from oneapi_asgi.wire.gemini.schema import from_gemini, to_gemini

ANY = {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}


def one_of(kind: str, least: float, most: float, told: str) -> dict[str, Any]:
    return {"type": kind, "description": told, "minimum": least, "maximum": most}


CASES = [
    pytest.param({"const": "x"}, {"type": "string", "enum": ["x"]}, id="C11-const"),
    pytest.param({"const": 3}, one_of("integer", 3, 3, "One of: 3."), id="C11-const-of-a-number"),
    pytest.param({"const": True}, {"type": "boolean"}, id="C11-const-of-a-boolean"),
    pytest.param(
        {"enum": [2.5, 1], "type": "number", "description": "Size."},
        one_of("number", 1, 2.5, "Size. One of: 2.5, 1."),
        id="C11-enum-of-numbers",
    ),
    pytest.param({"enum": ["a", None]}, {"type": "string", "enum": ["a"], "nullable": True}, id="null-in-an-enum"),
    pytest.param(
        {"enum": ["a", 1]},
        {"anyOf": [{"type": "string", "enum": ["a"]}, one_of("integer", 1, 1, "One of: 1.")]},
        id="mixed-enum",
    ),
    pytest.param({"enum": [{"a": 1}]}, {"type": "object"}, id="an-enum-of-objects"),
    pytest.param({"enum": [], "type": "string"}, {"type": "string"}, id="an-empty-enum"),
    pytest.param({"type": ["string", "null"]}, {"type": "string", "nullable": True}, id="C12-nullable"),
    pytest.param(
        {"type": ["string", "integer"], "description": "d", "minLength": 2, "minimum": 1},
        {
            "anyOf": [
                {"type": "string", "description": "d", "minLength": 2},
                {"type": "integer", "description": "d", "minimum": 1},
            ]
        },
        id="C12-anyOf",
    ),
    pytest.param({"type": "null"}, {"type": "string", "nullable": True}, id="C12-null-alone"),
    pytest.param({"type": "string", "enum": ["", "a"]}, {"type": "string", "enum": ["a"]}, id="C13-empty-member"),
    pytest.param({"type": "string", "enum": [""]}, {"type": "string"}, id="C13-nothing-else"),
    pytest.param({"type": "array"}, {"type": "array", "items": ANY}, id="C14-array-without-items"),
    pytest.param({"type": "array", "items": {}}, {"type": "array", "items": ANY}, id="C14-items-of-anything"),
    pytest.param(
        {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": {"type": "string"}},
        {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        id="C14-tuple",
    ),
    pytest.param(
        {"type": "array", "items": [{"type": "string"}, {"type": "string"}]},
        {"type": "array", "items": {"type": "string"}},
        id="C14-tuple-of-draft-7",
    ),
    pytest.param({}, ANY, id="anything"),
    pytest.param(True, ANY, id="true"),
    pytest.param({"properties": {"a": True}}, {"type": "object", "properties": {"a": ANY}}, id="guessed-object"),
    pytest.param({"items": {"type": "string"}}, {"type": "array", "items": {"type": "string"}}, id="guessed-array"),
    pytest.param({"type": "string", "format": "uri", "default": "x"}, {"type": "string"}, id="unknown-keywords"),
    pytest.param({"type": "string", "format": "date-time"}, {"type": "string", "format": "date-time"}, id="format"),
    pytest.param({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}, id="excluded-bound"),
    pytest.param({"type": "number", "exclusiveMaximum": 9}, {"type": "number", "maximum": 9}, id="excluded-fraction"),
    pytest.param({"type": "integer", "exclusiveMinimum": True}, {"type": "integer"}, id="draft-4-bound"),
    pytest.param(
        {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "d"},
        {"type": "string", "description": "d", "nullable": True},
        id="optional",
    ),
    pytest.param(
        {"oneOf": [{"const": "a"}, {"type": "integer"}], "description": "d"},
        {"anyOf": [{"type": "string", "description": "d", "enum": ["a"]}, {"type": "integer", "description": "d"}]},
        id="oneOf",
    ),
    pytest.param({"anyOf": [{"type": "null"}]}, {"type": "string", "nullable": True}, id="alternatives-of-null-alone"),
    pytest.param(
        {
            "allOf": [{"$ref": "#/$defs/A"}, {"properties": {"b": {"type": "string"}}, "required": ["b"]}],
            "$defs": {"A": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}},
        },
        {
            "type": "object",
            "properties": {"b": {"type": "string"}, "a": {"type": "string"}},
            "required": ["a", "b"],
        },
        id="allOf",
    ),
    pytest.param(
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/x~1y"}, "b": {"$ref": "http://else/where"}},
            "required": ["a", "zz", 3, "a"],
            "additionalProperties": False,
            "propertyOrdering": ["b", "zz"],
            "minProperties": "1",
            "$defs": {"x/y": {"type": "STRING", "description": "d"}},
        },
        {
            "type": "object",
            "properties": {"a": {"type": "string", "description": "d"}, "b": ANY},
            "required": ["a"],
            "propertyOrdering": ["b"],
        },
        id="C11-references",
    ),
    pytest.param(
        {"$ref": "#/$defs/N", "$defs": {"N": {"properties": {"next": {"$ref": "#/$defs/N", "description": "d"}}}}},
        {"type": "object", "properties": {"next": {"type": "object", "description": "d"}}},
        id="C11-recursion",
    ),
]


@pytest.mark.parametrize(("schema", "written"), CASES)
def test_written(schema: Any, written: dict[str, Any]) -> None:
    before = copy.deepcopy(schema)
    root = {"type": "object", "properties": {"p": schema}}
    if isinstance(schema, dict) and "$defs" in schema:
        root["$defs"] = schema["$defs"]
    found = to_gemini(root)
    assert found is not None
    assert found["properties"]["p"] == written
    assert schema == before  # P1
    types.Schema.model_validate(found)


@pytest.mark.parametrize("schema", [{}, {"type": "object"}, {"type": "object", "properties": {}}, {"anyOf": []}])
def test_arguments_of_nothing(schema: dict[str, Any]) -> None:
    """C15"""
    assert to_gemini(schema, arguments=True) is None


def test_alternatives_of_arguments_are_joined() -> None:
    schema = {
        "anyOf": [
            {"properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a", "b"]},
            {"properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"required": ["c"]},
        ],
        "properties": {"c": {"type": "string"}},
        "required": ["c"],
    }
    assert to_gemini(schema, arguments=True) == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "c": {"type": "string"}},
        "required": ["c", "a"],
    }


def test_arguments_that_make_no_sense() -> None:
    schema = {"anyOf": [{"properties": 5}, True, {"properties": {"a": {"$ref": "#/anyOf/3/x"}}}, {"x": {"const": "k"}}]}
    assert to_gemini(schema, arguments=True) == {
        "type": "object",
        "properties": {"a": {"type": "string", "enum": ["k"]}},
    }


@pytest.mark.parametrize("index", ["9" * 5000, "00", "\u0661", "-1", "2", "x"], ids=range(6))
def test_a_reference_to_no_element_is_to_nothing(index: str) -> None:
    schema = {"properties": {"a": {"$ref": f"#/allOf/{index}"}}, "allOf": [{"title": "t"}, {"type": "object"}]}
    assert to_gemini(schema) == {
        "type": "object",
        "title": "t",
        "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}},
    }


@pytest.mark.parametrize(
    "bound", [10**4300 - 1, -(10**4300) + 1, 10**30, 1e300], ids=["most", "least", "long", "float"]
)
def test_bounds_as_long_as_numbers_can_be(bound: float) -> None:
    written = to_gemini({"type": "integer", "exclusiveMinimum": bound, "exclusiveMaximum": bound})
    assert written == {"type": "integer", "minimum": bound, "maximum": bound}
    assert msgspec.json.encode(written)


def test_texts_that_stand_for_no_number_stay_texts() -> None:
    read = from_gemini({"type": "NUMBER", "enum": ["1e999", "nan", "-inf", "9" * 5000, "2"], "maxItems": "1e999"})
    assert read == {"type": "number", "enum": ["1e999", "nan", "-inf", "9" * 5000, 2], "maxItems": "1e999"}


def test_too_many_references() -> None:
    definitions: dict[str, Any] = {
        f"d{index}": {"properties": {"a": {"$ref": f"#/$defs/d{index + 1}"}, "b": {"$ref": f"#/$defs/d{index + 1}"}}}
        for index in range(40)
    }
    with pytest.raises(BadRequest, match="too large") as caught:
        to_gemini({"$ref": "#/$defs/d0", "$defs": definitions}, "tools[0].parameters")
    assert caught.value.param == "tools[0].parameters"


def test_too_deep() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(5000):
        schema = {"type": "array", "items": schema}
    with pytest.raises(BadRequest, match="too large"):
        to_gemini(schema)


def test_read() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "b": {"type": "STRING", "nullable": True, "enum": ["x"], "format": "enum"},
            "a": {"type": "ARRAY", "items": {"type": "INTEGER", "enum": ["1", "2"]}, "min_items": "3"},
            "c": {"any_of": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": True},
            "d": {"type": "TYPE_UNSPECIFIED", "example": 1},
            "e": {"nullable": True, "type": "NUMBER", "enum": ["1.5", "x"], "minLength": 2},
            "f": {"nullable": True},
        },
        "property_ordering": ["a", "b"],
        "required": ["a"],
    }
    read = from_gemini(schema)
    assert read == {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "integer", "enum": [1, 2]}, "minItems": 3},
            "b": {"type": ["string", "null"], "enum": ["x", None]},
            "c": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}]},
            "d": {"examples": [1]},
            "e": {"type": ["number", "null"], "enum": [1.5, "x", None], "minLength": 2},
            "f": {},
        },
        "required": ["a"],
    }
    assert list(read["properties"]) == ["a", "b", "c", "d", "e", "f"]


def test_references_read() -> None:
    read = from_gemini({"ref": "#/defs/P", "defs": {"P": {"type": "STRING"}}})
    assert read == {"$ref": "#/$defs/P", "$defs": {"P": {"type": "string"}}}


LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "minimum": 1},
        {"type": ["number", "null"]},
        {"const": "k"},
        {"enum": ["a", "b", None]},
        {"$ref": "#/$defs/D"},
        {},
        True,
        {"type": "nonsense"},
        {"type": [], "enum": "x", "anyOf": 3, "required": 4, "properties": 5},
    ]
)
CHOICES = ("anyOf", "oneOf", "allOf")
SCHEMAS: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda items: {"type": "array", "items": items}, inner),
        st.builds(
            lambda fields: {"type": "object", "properties": fields, "required": list(fields)},
            st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
        ),
        st.builds(lambda some, key: {key: some}, st.lists(inner, max_size=3), st.sampled_from(CHOICES)),
    ),
    max_leaves=8,
)
KNOWN = re.findall(
    r"\w+",
    "type format title description nullable enum maxItems minItems properties required minProperties maxProperties "
    "minLength maxLength pattern anyOf propertyOrdering items minimum maximum",
)


def check(schema: dict[str, Any]) -> None:
    """What every model takes."""
    assert schema.keys() <= set(KNOWN)
    if "anyOf" in schema:
        assert schema.keys() == {"anyOf"}
        assert len(schema["anyOf"]) > 1
    else:
        assert schema["type"] in ("object", "array", "string", "number", "integer", "boolean")
    assert ("items" in schema) == (schema.get("type") == "array")
    assert set(schema.get("required", ())) <= schema.get("properties", {}).keys()
    assert all(isinstance(value, str) and value for value in schema.get("enum", ()))
    children = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    for child in [*children, schema["items"]] if "items" in schema else children:
        check(child)


@settings(max_examples=60, deadline=None)
@given(SCHEMAS)
def test_whatever_is_written_is_taken(schema: Any) -> None:
    root = {"type": "object", "properties": {"p": schema}, "$defs": {"D": {"type": "string", "title": "D"}}}
    written = to_gemini(json.loads(json.dumps(root)))
    assert written is not None
    check(written)
    check(to_gemini(from_gemini(written)) or {})
