"""Parse stored study files, which hold every setting of a study; each text is parsed once."""

import re
import tomllib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from sweep.enums import Dataset, Objective

if TYPE_CHECKING:
    from sweep.studyfile.file import Sections

_OTHER_TABLE = re.compile(r"^\[(?!(?:study|data)\])", re.MULTILINE)


class _Study(BaseModel):
    description: str = ""
    objectives: tuple[Objective, ...] = (Objective.VAL_MSE,)


class _DataSection(BaseModel):
    name: str = Dataset.FASHION_MNIST_MINI.value


class About(BaseModel):
    """What lists of studies and tables of trials read from a study file."""

    model_config = ConfigDict(frozen=True)

    study: _Study = _Study()
    data: _DataSection = _DataSection()


@lru_cache(maxsize=2048)
def read_about(text: str) -> About:
    """Read what lists show of a stored study file. Raises ValueError."""
    # Files are written with these tables first. Parsing the rest too takes ten times as long, and
    # `sweep list` of 1,000 studies 1.2 times as long.
    head = _OTHER_TABLE.split(text, maxsplit=1)[0]
    try:
        tables = _tables(head)
    except ValueError:  # a text with a line that looks like a table
        tables = _tables(text)
    return About.model_validate(tables if tables.keys() >= {"study", "data"} else _tables(text))


@lru_cache(maxsize=64)
def read_sections(text: str) -> "Sections":
    """Read the sections of a stored study file, with defaults filled in. Raises ValueError."""
    from sweep.studyfile.file import Sections  # builds many models: not for lists of studies

    return Sections.model_validate(_tables(text))


def _tables(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
