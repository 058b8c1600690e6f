"""Translate pydantic's errors into our own messages; none of pydantic's text reaches a user."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from sweep.studyfile.sections import key_of_another_section
from sweep.studyfile.words import hint, show, show_path

#: What a field with a pattern accepts, by the field's name.
_PATTERNS = {
    "name": "letters, digits, '.', '_' and '-', and begin with a letter or digit",
    "qmc_type": "'sobol' or 'halton'",
    "gpus": "'all', 'cpu', or GPU numbers such as '0,1'",
}


def problems_of(error: ValidationError, section: str, model: type[BaseModel]) -> list[str]:
    """Return one line for each of pydantic's errors about a section."""
    return [_line({**detail, "section": section}, model) for detail in error.errors()]


def _line(detail: dict[str, Any], model: type[BaseModel]) -> str:
    section = detail["section"]
    # Our own checks that compare fields name the field at the start of the message.
    if detail["type"] == "value_error":
        text = str(detail["ctx"]["error"])
        field, colon, rest = text.partition(": ")
        if colon and field in model.model_fields:
            return f"{section}.{field}: {rest}"
        return f"{section}: {text}"
    if not detail["loc"]:
        return f"{section}: must be a table, got {show(detail['input'])}."
    path = show_path((section, *detail["loc"]))
    if detail["type"] == "extra_forbidden":
        key = str(detail["loc"][-1])
        return f"{path}: unknown key. {hint(key, model.model_fields, key_of_another_section(key))}"
    return f"{path}: {_sentence(detail)}"


def _sentence(detail: dict[str, Any]) -> str:
    write = _SENTENCES.get(detail["type"])
    if write is None:
        return f"not usable: {show(detail['input'])}."
    return write(detail, detail.get("ctx", {}))


def _must_be(what: str) -> Callable[[dict[str, Any], Mapping[str, Any]], str]:
    return lambda detail, ctx: f"must be {what}, got {show(detail['input'])}."


def _limit(word: str, key: str) -> Callable[[dict[str, Any], Mapping[str, Any]], str]:
    return lambda detail, ctx: f"must be {word} {ctx[key]:,}, got {show(detail['input'])}."


def _unknown_name(detail: dict[str, Any], ctx: Mapping[str, Any]) -> str:
    known = [word.strip("'") for word in ctx["expected"].replace(" or ", ", ").split(", ")]
    key = detail["loc"][0]
    noun = {"objectives": "objective", "name": detail["section"]}.get(key, f"value of {key}")
    return f"unknown {noun} {show(detail['input'])}. {hint(detail['input'], known)}"


def _pattern(detail: dict[str, Any], ctx: Mapping[str, Any]) -> str:
    allowed = _PATTERNS[str(detail["loc"][-1])]
    return f"must be {allowed}, got {show(detail['input'])}."


_SENTENCES: Mapping[str, Callable[[dict[str, Any], Mapping[str, Any]], str]] = {
    "missing": lambda detail, ctx: "missing; a study file must give it.",
    "int_type": _must_be("a whole number"),
    "int_from_float": _must_be("a whole number"),
    "int_parsing_size": _must_be("a smaller whole number"),
    "float_type": _must_be("a number"),
    "finite_number": _must_be("a finite number"),
    "string_type": _must_be("a text in quotes"),
    "bool_type": _must_be("true or false"),
    "tuple_type": _must_be("a list"),
    "list_type": _must_be("a list"),
    "enum": _unknown_name,
    "greater_than": _limit("above", "gt"),
    "greater_than_equal": _limit("at least", "ge"),
    "less_than": _limit("below", "lt"),
    "less_than_equal": _limit("at most", "le"),
    "string_too_long": lambda detail, ctx: f"must be at most {ctx['max_length']} letters long.",
    "string_too_short": lambda detail, ctx: "must not be empty.",
    "string_pattern_mismatch": _pattern,
}
