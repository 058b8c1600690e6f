"""Encode records as lines of text between processes: ``ClassName [{…}]``. JSON, never pickle.

Bytes are base64; infinities and NaN are the common JSON extensions ``Infinity`` and ``NaN``.
"""

import os
from functools import cache
from typing import Any, BinaryIO, get_args

from pydantic import ConfigDict, TypeAdapter

from sweep.messages import Event, Order

_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")


class Codec:
    """Encodes and decodes the records of one direction of a connection, and no others."""

    def __init__(self, *classes: type) -> None:
        self._classes = {cls.__name__: cls for cls in classes}

    def encode(self, record: object) -> bytes:
        """Return a record as one line, newline included."""
        name = type(record).__name__
        body: bytes = _adapter(self._classes[name]).dump_json((record,))
        return name.encode() + b" " + body + b"\n"

    def decode(self, line: bytes) -> Any:
        """Return the record of a line. Raises ValueError if the line is not a record."""
        name, _, body = line.partition(b" ")
        cls = self._classes.get(name.decode(errors="replace"))
        if cls is None:
            raise ValueError(f"no record of this direction: {line[:80]!r}")
        return _adapter(cls).validate_json(body)[0]


@cache
def _adapter(cls: type) -> TypeAdapter[Any]:
    # Wrapped in a tuple because pydantic accepts no configuration for a bare dataclass.
    return TypeAdapter(tuple[cls], config=_CONFIG)  # type: ignore[valid-type]


#: From workers to their coordinator.
EVENTS = Codec(*get_args(Event))
#: From a coordinator to its workers.
ORDERS = Codec(*get_args(Order))


def own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Reserve standard input and output for lines of records.

    Anything else in this process and its children that reads stdin gets the end of a file, and
    their prints go to stderr.
    """
    lines = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return lines, answers
