"""What studies that are trained for another one have in common."""

from typing import Any

from sweep.store import read
from sweep.store.engine import Engine
from sweep.store.study import study_exists
from sweep.studyfile import StudyFile, loads
from sweep.studyfile.sections import BudgetSection, Section

#: Of a study's name, which may have 100 letters, so that there is room for what follows.
_LONGEST_STEM = 80


def new_name(engine: Engine, study: str, suffix: str) -> str:
    """One that is free: ``STUDY-SUFFIX``, or with a number behind it."""
    stem = f"{study[:_LONGEST_STEM]}-{suffix}"
    name, number = stem, 1
    while study_exists(engine, name):
        number += 1
        name = f"{stem}-{number}"
    return name


def stored_file(engine: Engine, name: str) -> StudyFile:
    """The file of a study that is there."""
    return loads(read.study_file_text(engine, name), f"study '{name}'", check_packages=False)


def file_to_try_again(engine: Engine, child: str) -> StudyFile:
    """The study's own file; where it ended with its failure limit, as many more may fail again:
    whoever gives the command again has nowhere else to say so."""
    file = stored_file(engine, child)
    if (n_failed := read.study(engine, child).n_failed) <= file.budget.max_failures:
        return file
    more = {"max_failures": n_failed + BudgetSection().max_failures}
    return file.model_copy(update={"budget": file.budget.model_copy(update=more)})


def given(section: Section) -> dict[str, Any]:
    """What a study file's section says, without defaults."""
    return section.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def plain(value: Any) -> Any:
    """As TOML holds it: names as plain strings."""
    return str(value) if isinstance(value, str) else value
