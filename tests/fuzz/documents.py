"""Documents near a schema, for Hypothesis: a valid one with fields missing, of wrong types, huge, deep or odd."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import yaml
from hypothesis import strategies as st

from tests.fuzz.mutators import INTEGERS

TEXTS = (
    "",
    " ",
    "\x00",
    "a\nb",
    "\ud800",
    "\u202e",
    "\u00b2",
    "\u0663",
    "..",
    "../a",
    "/a",
    "C:\\a",
    "a" * 300,
    "a/" * 200,
    "http://[",
    "NaN",
    "1e999",
    "__ignore__",
    "_background_",
    "all",
    "*",
)
FLOATS = (0.5, -0.0, math.nan, math.inf, -math.inf, 1e308, 5e-324, 2.0**63)


def nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


def odd_values() -> st.SearchStrategy[Any]:
    # Lists are made anew each time: a later edit may change them in place.
    return st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from(INTEGERS),
        st.sampled_from(FLOATS),
        st.sampled_from(TEXTS),
        st.text(max_size=4),
        st.integers(-3, 300),
        st.builds(list),
        st.builds(dict),
        st.sampled_from((20, 200)).map(nested),
        st.builds(lambda: [0] * 3000),
        st.lists(st.integers(-2, 40), max_size=9),
        st.builds(lambda: {"a": {"b": []}}),
    )


@st.composite
def edited(draw: st.DrawFn, document: Any) -> Any:
    """A document in which one to three values were replaced, removed, repeated or put into something."""
    changed = {"": copy.deepcopy(document)}
    for _ in range(draw(st.integers(1, 3))):
        holders = _holders(changed)
        holder, key = holders[draw(st.integers(0, len(holders) - 1))]
        value = holder[key]
        match draw(st.sampled_from(("replace", "replace", "remove", "repeat", "wrap", "key", "swap"))):
            case "replace":
                holder[key] = draw(odd_values())
            case "remove" if key != "":
                del holder[key]
            case "repeat" if isinstance(holder, list):
                holder.insert(key, copy.deepcopy(value))
            case "wrap":
                holder[key] = draw(st.sampled_from(([value], {"a": value}, {"0": value})))
            case "key" if isinstance(holder, dict) and key != "":
                holder[draw(st.sampled_from(TEXTS))] = value
            case "swap":
                other, place = holders[draw(st.integers(0, len(holders) - 1))]
                holder[key] = copy.deepcopy(other[place])
    return changed[""]


def _holders(value: Any) -> list[tuple[Any, Any]]:
    """List the places of a document, the inner ones too."""
    entries = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [(value, key) for key, _ in entries[:60]] + [place for _, inner in entries[:60] for place in _holders(inner)]


@st.composite
def json_files(draw: st.DrawFn, document: Any) -> bytes:
    """A document as JSON, some keys there twice."""
    changed = draw(edited(document))
    text = json.dumps(changed, ensure_ascii=draw(st.booleans()))
    if isinstance(changed, dict) and changed and draw(st.integers(0, 4)) == 0:
        key = draw(st.sampled_from(sorted(changed)))
        text = f"{text[:-1]}, {json.dumps(key)}: {json.dumps(draw(odd_values()))}}}"
    return text.encode("utf-8", "surrogatepass")


def toml_files(document: dict[str, Any]) -> st.SearchStrategy[bytes]:
    return edited(document).map(lambda changed: _toml(changed).encode("utf-8", "surrogatepass"))


def _toml(document: Any) -> str:
    if not isinstance(document, dict):
        return _toml_value(document)
    plain = [
        f"{json.dumps(key)} = {_toml_value(value)}\n" for key, value in document.items() if not isinstance(value, dict)
    ]
    tables = [(key, value) for key, value in document.items() if isinstance(value, dict)]
    inner = [
        f"[{json.dumps(key)}]\n" + "".join(f"{json.dumps(name)} = {_toml_value(one)}\n" for name, one in value.items())
        for key, value in tables
    ]
    return "".join(plain + inner)


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml_value(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml_value, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps("nothing" if value is None else value)


def yaml_files(document: Any) -> st.SearchStrategy[bytes]:
    """YAML of a document, and tags that say of a word what it is not."""
    tagged = st.tuples(
        st.sampled_from(("bool", "int", "float", "timestamp", "binary", "set", "omap", "null")),
        st.sampled_from(("x", "''", "[1]", "{a: 1}", "0x", "1:99")),
    )
    return st.one_of(
        edited(document).map(
            lambda changed: yaml.safe_dump(changed, allow_unicode=True).encode("utf-8", "surrogatepass")
        ),
        tagged.map(lambda pair: f"names: !!{pair[0]} {pair[1]}\n".encode()),
        tagged.map(lambda pair: f"? !!{pair[0]} {pair[1]}\n: a\nnames: [a, b]\n".encode()),
    )


def xml_files() -> st.SearchStrategy[bytes]:
    """Small trees around the elements that are looked at, with declarations of every kind."""
    names = st.sampled_from(("annotation", "size", "width", "height", "object", "a:b", "\u00e9"))
    texts = st.sampled_from(
        ("", "8", "6", "-1", "1e999", "\u0663", "&amp;", "&#0;", "&#x110000;", "<![CDATA[8]]>", "x" * 3000)
    )
    leaf = st.builds(lambda name, text: f"<{name}>{text}</{name}>", names, texts)
    trees = st.recursive(leaf, lambda inner: st.builds(_element, names, st.lists(inner, max_size=4)), max_leaves=12)
    encodings = st.sampled_from(
        ("utf-8", "utf-16", "utf-7", "hex", "latin-1", "cp1252", "idna", "x", "shift_jis", "utf-8-sig")
    )
    declared = st.one_of(st.just(""), encodings.map(lambda name: f'<?xml version="1.0" encoding="{name}"?>'))
    doctype = st.sampled_from(("", "", "<!DOCTYPE a>", "<!DOCTYPE a [<!ENTITY b 'c'>]>"))
    return st.builds(lambda *parts: "".join(parts).encode(), declared, doctype, trees)


def _element(name: str, inner: list[str]) -> str:
    return f"<{name}>{''.join(inner)}</{name}>"
