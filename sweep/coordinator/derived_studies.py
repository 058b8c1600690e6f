"""Name and load studies that are derived from another: ablations and retrained trials."""

from typing import Any

from sweep.store.engine import Engine
from sweep.store.handle import StudyHandle
from sweep.store.study import study_exists
from sweep.studyfile import StudyFile, loads
from sweep.studyfile.sections import BudgetSection, Section

#: Characters kept of the parent's name, which may have 100, so that a suffix fits.
_LONGEST_STEM = 80


def find_free_name(engine: Engine, study: str, suffix: str) -> str:
    """Choose a name that no study has: ``STUDY-SUFFIX``, with a number appended if needed."""
    stem = f"{study[:_LONGEST_STEM]}-{suffix}"
    name, number = stem, 1
    while study_exists(engine, name):
        number += 1
        name = f"{stem}-{number}"
    return name


def load_stored_file(study: StudyHandle) -> StudyFile:
    """Load the study file that is stored with a study."""
    return loads(study.record().study_file, f"study '{study.name}'", check_packages=False)


def load_file_for_retry(child: StudyHandle) -> StudyFile:
    """Load a study's file, with a higher failure limit if the study has reached it.

    The commands that resume derived studies have no option for the limit.
    """
    file = load_stored_file(child)
    if (n_failed := child.summary().n_failed) <= file.budget.max_failures:
        return file
    more = {"max_failures": n_failed + BudgetSection().max_failures}
    return file.model_copy(update={"budget": file.budget.model_copy(update=more)})


def explicit_settings(section: Section) -> dict[str, Any]:
    """Return the settings that a section of a study file gives, without defaults, as JSON."""
    return section.model_dump(mode="json", exclude_unset=True, exclude_none=True)


def to_toml_value(value: Any) -> Any:
    """Convert members of enums to plain strings."""
    return str(value) if isinstance(value, str) else value
