"""Records as lines of text between processes: ``ClassName [{…}]``. JSON, never pickle.

Bytes travel as base64; infinities and NaN as JSON's widely understood ``Infinity`` and ``NaN``.
"""

import os
from collections.abc import Mapping
from typing import Any, BinaryIO, get_args

from pydantic import ConfigDict, TypeAdapter

from sweep.messages import Event, Order

_CONFIG = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64", ser_json_inf_nan="constants")


def _adapters() -> Mapping[str, TypeAdapter[tuple[Any]]]:
    # Wrapped in a tuple because pydantic takes no configuration for a bare dataclass.
    return {
        cls.__name__: TypeAdapter(tuple[cls], config=_CONFIG)  # type: ignore[arg-type, valid-type]
        for cls in (*get_args(Event), *get_args(Order))
    }


_ADAPTERS = _adapters()


def encode(record: Event | Order) -> bytes:
    """One line, newline included."""
    name = type(record).__name__
    return name.encode() + b" " + _ADAPTERS[name].dump_json((record,)) + b"\n"


def decode(line: bytes) -> Any:
    """The record of a line. Raises ValueError for a line that holds none."""
    name, _, body = line.partition(b" ")
    adapter = _ADAPTERS.get(name.decode(errors="replace"))
    if adapter is None:
        raise ValueError(f"no record of ours: {line[:80]!r}")
    return adapter.validate_json(body)[0]


def own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for our lines alone: whatever else prints goes to stderr."""
    orders = os.fdopen(os.dup(0), "rb")
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return orders, results
