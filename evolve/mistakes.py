"""Says what is wrong with the keys of a file or with settings, in words of ours."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

# What a value must be, by the kind of error that pydantic finds; {} are its own figures.
MUST_BE = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text in quotes",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "literal_error": "{expected}",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "less than {lt:g}",
    "less_than_equal": "{le:g} or less",
    "too_short": "{min_length} or more",
    "too_long": "{max_length} or fewer",
}
# Our own validators' errors: their messages are sentences already.
OWN = "value_error"


@dataclass(frozen=True)
class Mistake:
    """One wrong key. key: where it stands, `measures[1].range`, empty for the whole.

    value: as it was written, empty if that says nothing. fault: what is wrong and what to do.
    """

    key: str
    value: str
    fault: str

    def __str__(self) -> str:
        where = f"{self.key} = {self.value}" if self.value else self.key
        return f"{where}: {self.fault}" if where else self.fault


def mistakes(
    error: ValidationError,
    sections: Mapping[str, type[BaseModel]],
    expected: Mapping[str, str] | None = None,
) -> list[Mistake]:
    """Give the mistakes that a validation found, each once.

    sections: the model of each table by its key, "" for the top one. expected: what to write for
    a key, where its type does not say it all, by `section.key`.
    """
    found = [_mistake(dict(item), sections, expected or {}) for item in error.errors()]
    return list(dict.fromkeys(each for each in found if each is not None))


def _mistake(
    item: Mapping[str, Any], sections: Mapping[str, type[BaseModel]], expected: Mapping[str, str]
) -> Mistake | None:
    kind, location, value, figures = item["type"], item["loc"], item["input"], item.get("ctx", {})
    if kind == "missing" and location and isinstance(location[-1], int):
        # A list that is too short lacks its last items: the list is what is wrong.
        kind, location, value = "too_short", location[:-1], None
    place, name = _place(location), _name(location)
    if kind == "too_short" and len(value or ()) >= figures.get("min_length", 0) > 0:
        return None  # its items are wrong, which is told of each of them
    if kind == "missing":
        return Mistake(place, "", f"is missing; write {expected.get(name, 'it')}")
    if kind == "extra_forbidden":
        return Mistake(place, "", f"no such key; {_known(name, sections)}")
    written = reprlib.repr(value) if place and value is not None else ""
    if kind == OWN:
        return Mistake(place, written, str(figures["error"]))
    must_be = expected.get(name) or MUST_BE.get(kind, "").format(**figures)
    return Mistake(place, written, f"must be {must_be}" if must_be else item["msg"])


def _known(name: str, sections: Mapping[str, type[BaseModel]]) -> str:
    """Name the known key that is closest: of the same table, or this very key of another."""
    section, _, key = name.rpartition(".")
    fields = list(sections[section].model_fields) if section in sections else []
    close = difflib.get_close_matches(key, fields, 1)
    elsewhere = [
        f"{other}.{key}".lstrip(".")
        for other, model in sections.items()
        if key in model.model_fields
    ]
    if close or elsewhere:
        return f"did you mean {(close or elsewhere)[0]}?"
    return f"there are: {', '.join(fields)}"


def _place(location: tuple[int | str, ...]) -> str:
    """Write a place in the file as people do: `measures[1].range`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _name(location: tuple[int | str, ...]) -> str:
    """Give the key that a place has in all tables of its kind; of an item of a list none."""
    if location and isinstance(location[-1], int):
        return ""
    return ".".join(part for part in location if isinstance(part, str))
