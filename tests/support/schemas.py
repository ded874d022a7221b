"""Values that a JSON Schema allows, in as far as the schemas of this API go."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

_ASCII = st.characters(codec="ascii", exclude_characters="\0")
_NOTHING = st.sampled_from([None, True, 7, "x", [1], {"a": 1}])  # where everything goes


def made_of(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Return a strategy of values that the schema allows."""
    if "anyOf" in schema:
        return st.one_of([made_of(one) for one in schema["anyOf"]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from([schema["const"]] if "const" in schema else schema["enum"])
    kinds = schema.get("type")
    if kinds is None:
        return _NOTHING
    return st.one_of([_OF_KIND[kind](schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)])


def _text(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength", 60)
    if "pattern" in schema:
        fitting = st.from_regex(schema["pattern"], fullmatch=True, alphabet=_ASCII)
        return fitting.filter(lambda text: shortest <= len(text) <= longest and not text.endswith("\n"))
    return (
        st.sampled_from([*schema["examples"]])
        if "examples" in schema
        else st.text(_ASCII, min_size=shortest, max_size=min(longest, 60))
    )


def _object(schema: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: made_of(one) for name, one in schema.get("properties", {}).items()}
    needed = {name: fields.pop(name) for name in schema.get("required", ())}
    named = st.fixed_dictionaries(needed, optional=fields)
    more = schema.get("additionalProperties")
    if not isinstance(more, Mapping):
        return named
    return st.dictionaries(made_of(schema.get("propertyNames", {"type": "string"})), made_of(more), max_size=3)


def _list(schema: Mapping[str, Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(made_of(schema["items"]), min_size=schema.get("minItems", 0), max_size=min(schema["maxItems"], 4))


_OF_KIND = {
    "null": lambda _: st.none(),
    "boolean": lambda _: st.booleans(),
    "integer": lambda schema: st.integers(schema["minimum"], schema["maximum"]),
    "number": lambda schema: st.floats(schema["minimum"], schema["maximum"]),
    "string": _text,
    "array": _list,
    "object": _object,
}
