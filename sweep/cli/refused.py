"""Word rejected options and arguments: what is accepted, and what was given.

Typer checks values with pydantic, whose own text says neither.
"""

import re
from collections.abc import Mapping
from typing import Any

import typer

from sweep.cli.words import shorten

#: By pydantic's type of error; a name in braces is one of its context.
_MUST_BE: Mapping[str, str] = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "greater_than_equal": "at least {ge:,}",
    "less_than_equal": "at most {le:,}",
}


#: The rest of a value with braces, brackets or blanks that the shell split.
_SPLIT = re.compile(r"Got unexpected extra argument\S* \((.*)\)")
_BRACKETS = frozenset("{}[]")
_UNKNOWN = re.compile(r"No such option: (\S+)")


def in_words(error: typer.TyperException) -> str | None:
    """Return an error like ``-n: must be at least 1, got 0.``; None if Typer's own text is good."""
    if unknown := _UNKNOWN.match(error.format_message()):
        return _unknown(unknown[1], getattr(error, "ctx", None))
    if (left_over := _SPLIT.fullmatch(error.format_message())) and _BRACKETS & {*left_over[1]}:
        return (
            f"{shorten(left_over[1])}: part of a value that the shell has split. Put the "
            'value in quotes, such as --set \'space.loss=["bce", "mse"]\'.'
        )
    from pydantic import ValidationError

    param = getattr(error, "param", None)
    if param is None or not isinstance(error.__cause__, ValidationError):
        return None
    detail = error.__cause__.errors()[0]
    return f"{_name(param)}: {_sentence(detail['type'], detail.get('ctx', {}), detail['input'])}"


def _unknown(option: str, context: typer.Context | None) -> str | None:
    """Say that an option does not exist; suggest the key of a study file that it may stand for."""
    if option[1:2].isdecimal():
        return f"{option}: trials are counted from 0."
    params = () if context is None else context.command.params
    if not any("--set" in param.opts for param in params):
        return None
    from sweep.studyfile.sections import key_of_another_section

    path = key_of_another_section(option.lstrip("-").replace("-", "_"))
    return f"No such option: {option}. `--set {path}=…` changes a study file." if path else None


def _name(param: Any) -> str:
    """Name an argument by its placeholder in the usage, an option by its longest name."""
    if isinstance(param, typer.core.TyperArgument):
        return str(param.metavar or param.name).strip("[].").upper()
    return str(max(param.opts, key=len))


def _sentence(kind: str, context: Mapping[str, Any], given: object) -> str:
    if kind == "value_error":
        return f"{str(context['error']).removesuffix('.')}."
    got = shorten(str(given) if "than" in kind else repr(given))
    must_be = _MUST_BE.get(kind)
    return f"must be {must_be.format(**context)}, got {got}." if must_be else f"not usable: {got}."
