"""Read a complete study file, with all problems at once."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, InstanceOf, ValidationError

from sweep.catalogue.settings import Value
from sweep.config import DEFAULT_BASELINE, StudyBaseline
from sweep.enums import Sampler
from sweep.errors import StudyFileError
from sweep.studyfile.baseline import complete_baseline, read_baseline
from sweep.studyfile.enqueue import read_configuration, read_values
from sweep.studyfile.overrides import apply_overrides
from sweep.studyfile.read_space import read_space
from sweep.studyfile.rules_between import missing_packages, rules_between
from sweep.studyfile.sections import (
    SECTIONS,
    BudgetSection,
    DataSection,
    PrunerSection,
    SamplerSection,
    Section,
    StudySection,
    WarmStartSection,
    WorkersSection,
    key_of_another_section,
)
from sweep.studyfile.space import Space
from sweep.studyfile.translate import problems_of
from sweep.studyfile.words import hint, show_path

#: Far above any study file; keeps a wrong path (a disk image, /dev/zero) from filling memory.
_LARGEST_BYTES = 1_000_000


class Sections(BaseModel):
    """A study file without its search space and the configurations that run first."""

    model_config = ConfigDict(frozen=True)

    study: StudySection
    data: DataSection = Field(default_factory=DataSection)
    sampler: SamplerSection = Field(default_factory=SamplerSection)
    warm_start: WarmStartSection = Field(default_factory=WarmStartSection)
    pruner: PrunerSection = Field(default_factory=PrunerSection)
    budget: BudgetSection = Field(default_factory=BudgetSection)
    workers: WorkersSection = Field(default_factory=WorkersSection)


class StudyFile(Sections):
    """A complete study file."""

    model_config = ConfigDict(extra="forbid")

    space: Annotated[Space, InstanceOf()]
    #: Configurations that run first, as written: names of settings and values.
    enqueue: tuple[dict[str, Any], ...] = ()

    @property
    def n_trials(self) -> int:
        """The number of trials: the budget, but for a grid no more than its points."""
        budget = self.budget.trials
        if self.sampler.name is Sampler.GRID:
            points = self.space.grid_size()
            return points if budget is None else min(budget, points)
        assert budget is not None  # ensured by the rules of a study file
        return max(budget, len(self.enqueue))

    @property
    def baseline(self) -> StudyBaseline:
        """What trials are compared with, with all settings."""
        named = self.study.baseline
        if named is None:
            return DEFAULT_BASELINE
        if isinstance(named, int):
            return StudyBaseline(number=named)
        return StudyBaseline(settings=read_baseline(self.space, named, "study.baseline")[0])

    def differences(self, other: "StudyFile") -> list[str]:
        """Return the paths of what differs: ``budget.trials``, ``space``."""
        theirs = other._by_path()
        return [path for path, value in self._by_path().items() if value != theirs[path]]

    def _by_path(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, part in self:
            if isinstance(part, Section):
                found |= {f"{name}.{key}": value for key, value in part}
            else:
                found[name] = part
        return found

    def baseline_to_enqueue(self) -> Mapping[str, Value] | None:
        """Return what ``[[enqueue]]`` has to name so that the baseline is tried.

        None if the space does not contain it, as may be the case with BASELINE, and if the baseline
        is a trial's number.
        """
        named, wanted = self.study.baseline, self.baseline
        if wanted.number is not None:
            return None
        found = complete_baseline(self.space, named if isinstance(named, dict) else {})
        in_space = not found.outside and found.settings.items() >= wanted.settings.items()
        return found.searched if in_space else None


def load(path: Path, overrides: Sequence[str] = (), *, check_packages: bool = True) -> StudyFile:
    """Read a study file. Raises StudyFileError with all its problems if it is invalid."""
    return loads(_read(path), str(path), overrides, check_packages=check_packages)


def loads(
    text: str, source: str, overrides: Sequence[str] = (), *, check_packages: bool = True
) -> StudyFile:
    """Read a study file from a text; messages call it ``source``.

    ``check_packages=False`` accepts a sampler whose packages this machine lacks, for callers that
    only read a finished study.
    """
    raw = _parse(text, source)
    # A misspelt override would be hidden by the problems that it causes.
    if problems := apply_overrides(raw, overrides):
        raise StudyFileError(source, problems)
    parts, problems = _read_parts(raw)
    problems += rules_between(parts)
    if check_packages and "sampler" in parts:
        problems += missing_packages(parts["sampler"].name)
    if problems:
        raise StudyFileError(source, problems)
    return StudyFile(**parts)


def loads_or_none(text: str) -> StudyFile | None:
    """Read a stored study file, for readers that can do without it.

    None if this version rejects it, because another version wrote it.
    """
    try:
        return loads(text, "the stored study file", check_packages=False)
    except StudyFileError:
        return None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except IsADirectoryError:
        raise StudyFileError(
            str(path), ["is a folder. Name a study file in it, ending in .toml."]
        ) from None
    except FileNotFoundError:
        raise StudyFileError(str(path), ["no such file. Check the path."]) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise StudyFileError(str(path), [f"cannot be read: {reason}."]) from None
    if len(content) > _LARGEST_BYTES:
        raise StudyFileError(str(path), ["too large for a study file (over 1 MB)."])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise StudyFileError(
            str(path), [f"line {line}: not UTF-8 text. A study file is TOML, saved as UTF-8."]
        ) from None


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise StudyFileError(source, [_toml_problem(str(error))]) from None
    except RecursionError:
        raise StudyFileError(source, ["not TOML: nested too deeply."]) from None
    except ValueError:  # Python refuses to read a number of more than 4,300 digits
        raise StudyFileError(source, ["not TOML: a number is too long."]) from None


def _toml_problem(message: str) -> str:
    reason, at, place = message.rpartition(" (at ")
    if not at:
        return f"not TOML: {message}."
    where = place.removesuffix(")")
    return f"{where}: not TOML: {reason[:1].lower()}{reason[1:]}."


def _read_parts(raw: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Read each part separately, so that the problems of one do not hide those of others.

    A part with problems is omitted.
    """
    known = ("study", "data", "space", *list(SECTIONS)[2:], "enqueue")
    problems = [
        f"{show_path([key])}: unknown section. {hint(key, known, key_of_another_section(key))}"
        for key in raw
        if key not in known
    ]
    parts: dict[str, Any] = {}
    for name, model in SECTIONS.items():
        try:
            parts[name] = model.model_validate(raw.get(name, {}))
        except ValidationError as error:
            problems += problems_of(error, name, model)
    space, space_problems = read_space(raw.get("space"))
    problems += space_problems
    if space is not None:
        parts["space"] = space
    parts["enqueue"], enqueue_problems = _read_enqueue(raw.get("enqueue", []), space)
    return parts, [*problems, *enqueue_problems, *_baseline_problems(raw, space)]


def _baseline_problems(raw: Mapping[str, Any], space: Space | None) -> list[str]:
    study = raw.get("study")
    baseline = study.get("baseline") if isinstance(study, dict) else None
    if not isinstance(baseline, dict):  # a number, or what the section's own rules reject
        return []
    return read_baseline(space, baseline, "study.baseline")[1]


def _read_enqueue(raw: object, space: Space | None) -> tuple[tuple[dict[str, Any], ...], list[str]]:
    if not isinstance(raw, list) or not all(isinstance(entry, dict) for entry in raw):
        return (), ["enqueue: must be tables, each headed [[enqueue]]."]
    problems: list[str] = []
    if space is None:  # whether its values fit can be checked once the space is valid
        for index, entry in enumerate(raw):
            read_values(entry, f"enqueue.{index}", problems)
        return (), problems
    seen: dict[int, dict[str, Value]] = {}
    for index, entry in enumerate(raw):
        params, found = read_configuration(space, entry, f"enqueue.{index}")
        same = [earlier for earlier, others in seen.items() if others == params]
        if same and not found:
            found = [
                f"enqueue.{index}: equal to enqueue.{same[0]}. Keep one; "
                "study.repeat trains a configuration with several seeds."
            ]
        if not found:
            seen[index] = params
        problems += found
    return tuple(raw), problems
