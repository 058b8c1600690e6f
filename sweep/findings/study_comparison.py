"""Compare studies side by side, and trials of several studies.

Notation: n studies, or n trials, in the requested order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import count, duration, number
from sweep.catalogue.settings import SETTINGS
from sweep.errors import StudyFileError
from sweep.findings.cells import count_cell, metric_cell, number_cell, text_cell
from sweep.findings.comparison import Comparison, compare_settings, compare_trials, lead
from sweep.findings.progress import data_in_words, study_status
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.store.handle import StudyHandle, StudyRecord
from sweep.store.records import StudySummary, TrialRow
from sweep.store.table import TrialTable
from sweep.studyfile import Fixed, Searched, StudyFile, loads, with_trials
from sweep.studyfile.enqueue import describe
from sweep.studyfile.space import placements
from sweep.studyfile.words import show

#: Sections other than the space, in the order of a study file.
_SECTIONS = ("study", "data", "sampler", "warm_start", "pruner", "budget", "workers")
#: Keys that identify studies without affecting them.
_NAMES = ("study.name", "study.description")


@dataclass(frozen=True, kw_only=True)
class StudyComparison:
    """Results and efforts of studies, and the differences of their files."""

    studies: Sequence[StudySummary]  # (n,)
    headline: str
    #: Why the errors are not comparable, or caveats; a sentence each.
    cautions: Sequence[str]
    #: A row per fact, a column per study.
    results: FindingTable
    #: Differing keys of the study files.
    differences: FindingTable
    #: Differing settings of the best trials.
    best: FindingTable

    @property
    def tables(self) -> dict[str, FindingTable]:
        """All tables, in display order, by their keys in JSON."""
        return {"results": self.results, "differences": self.differences, "best": self.best}

    def to_json(self) -> dict[str, Any]:
        """Convert sentences and tables to plain values."""
        return {
            "studies": [study.name for study in self.studies],
            "headline": self.headline,
            "cautions": list(self.cautions),
            "tables": {name: table.records() for name, table in self.tables.items()},
        }


class _Compared(NamedTuple):
    """A study and what was read of it."""

    handle: StudyHandle
    table: TrialTable
    summary: StudySummary
    record: StudyRecord
    #: None without a trial that counts.
    best: TrialRow | None
    #: How long a coordinator held it.
    seconds: float


def gather_trials(chosen: Sequence[tuple[StudyHandle, int]]) -> Comparison:
    """Compare trials of several studies. Raises NotFoundError for one that does not exist."""
    records = {study.name: study.record() for study, _ in chosen}
    cautions, are_comparable = _cautions(records)
    found = compare_trials(
        chosen[0][0].name,
        [study.name for study, _ in chosen],
        [study.trial(of) for study, of in chosen],
        objective=next(iter(records.values())).settings.study.objectives[0],
        curves=[study.curves([of]).get(of, []) for study, of in chosen],
    )
    return replace(found, cautions=cautions, headline=found.headline if are_comparable else "")


def gather_studies(
    handles: Sequence[StudyHandle], tables: Sequence[TrialTable] | None = None
) -> StudyComparison:
    """Compare studies; ``tables`` are their trials if these are known already."""
    tables = [handle.table() for handle in handles] if tables is None else tables
    studies = [_read(handle, table) for handle, table in zip(handles, tables, strict=True)]
    cautions, are_comparable = _cautions({of.handle.name: of.record for of in studies})
    files, unread = _study_files(studies)
    return StudyComparison(
        studies=[of.summary for of in studies],
        headline=_headline(studies) if are_comparable else "",
        cautions=[*cautions, *unread],
        results=_results(studies),
        differences=_differences([of.handle.name for of in studies], files),
        best=_best_settings([of for of in studies if of.best is not None]),
    )


def _read(handle: StudyHandle, table: TrialTable) -> _Compared:
    summary = handle.summary()
    # By the first objective, even if there are several.
    numbers = () if summary.best_number is None else (summary.best_number,)
    best = next(iter(handle.trials(numbers)), None)
    return _Compared(handle, table, summary, handle.record(), best, handle.usage().wall_seconds)


# --- whether errors are comparable ----------------------------------------------------------------


def _cautions(records: Mapping[str, StudyRecord]) -> tuple[list[str], bool]:
    """Return why errors are not comparable, or caveats; and whether they are comparable."""
    wrong = [
        said
        for said in (
            _apart(records, "are trained on different images", _images, _name_of_data),
            _apart(records, "validate on different images", _split, _split),
        )
        if said
    ]
    if wrong:
        return [f"The errors are not comparable: {said}." for said in wrong[:1]], False
    limits = {name: data_in_words(record) for name, record in records.items()}
    if len({record.settings.data.train_limit for record in records.values()}) > 1:
        said = "; ".join(f"'{name}': {on}" for name, on in limits.items())
        return [f"A lower error may be due to more images ({said})."], True
    return [], True


def _apart(records: Mapping[str, StudyRecord], verb: str, key: Any, said: Any) -> str:
    if len({key(record) for record in records.values()}) < 2:
        return ""
    return f"the studies {verb} ({', '.join(f'{n}: {said(of)}' for n, of in records.items())})"


def _images(record: StudyRecord) -> str:
    """Return the images' digest, or their name if no worker has read them yet."""
    return str(record.provenance.get("data_sha256") or record.dataset)


def _name_of_data(record: StudyRecord) -> str:
    digest = record.provenance.get("data_sha256")
    return record.dataset + (f", SHA-256 {digest[:8]}…" if digest else "")


def _split(record: StudyRecord) -> str:
    data = record.settings.data
    return f"validation_fraction {data.validation_fraction}, split_seed {data.split_seed}"


# --- sentences ------------------------------------------------------------------------------------


def _headline(studies: Sequence[_Compared]) -> str:
    """Say which study has the lowest error, by how much, and for equal numbers of trials."""
    ranked = sorted(
        (of for of in studies if of.summary.best_value is not None),
        key=lambda of: of.summary.best_value or 0.0,
    )
    if len(ranked) < 2:
        return ""
    first, second = (of.summary for of in ranked[:2])
    error = column_named(first.objectives[0]).title
    by = lead(first.best_value or 0.0, second.best_value or 0.0)
    said = (
        f"Study '{first.name}' has the lowest {error}: {number(first.best_value)} "
        f"(trial {first.best_number}), {by} that of '{second.name}' "
        f"({number(second.best_value)}, trial {second.best_number})."
    )
    return " ".join(filter(None, [said, _at_equal_numbers(ranked)]))


def _at_equal_numbers(studies: Sequence[_Compared]) -> str:
    """Compare the best of each among as many trials as the shortest study has."""
    n_finished = [of.summary.n_finished for of in studies]
    n = min(n_finished)
    if max(n_finished) == n:
        return ""
    found = [(of.handle.name, _best_of_first(of.table, n)) for of in studies]
    said = ", ".join(f"'{name}' {number(value)}" for name, value in found)
    return f"Best of the first {count(n, 'trial')} of each: {said}."


def _best_of_first(table: TrialTable, n: int) -> float | None:
    ended = np.flatnonzero(table.outcomes.codes >= 0)
    order = ended[np.lexsort((table.numbers[ended], table.ended[ended]))][:n]
    values = table.value[order][table.counting[order]]
    return float(values.min()) if len(values) else None


# --- tables ---------------------------------------------------------------------------------------


def _columns(names: Sequence[str], *, is_name: bool = False) -> list[TableColumn]:
    return [
        TableColumn("name", "", is_name=is_name),
        *(TableColumn(name, name) for name in names),
    ]


def _results(studies: Sequence[_Compared]) -> FindingTable:
    objective = column_named(studies[0].record.settings.study.objectives[0])
    rows: dict[str, list[Cell]] = {
        "State": [text_cell(study_status(of.summary).word) for of in studies],
        "Trained on": [text_cell(data_in_words(of.record)) for of in studies],
        "Finished trials": [_count_finished(of.summary) for of in studies],
        f"Best so far ({objective.title})": [number_cell(of.summary.best_value) for of in studies],
        "Best trial": [count_cell(of.summary.best_number) for of in studies],
        "Its test error": [_metric(of.best, "test_mse") for of in studies],
        "Its parameters": [_metric(of.best, "n_parameters") for of in studies],
        "Time": [_seconds(of.seconds) for of in studies],
        "Trials/s": [_pace(of) for of in studies],
    }
    return FindingTable(
        title="What each found",
        columns=_columns([of.handle.name for of in studies]),
        rows=[(Cell(label, label), *cells) for label, cells in rows.items()],
    ).without_empty()


def _count_finished(study: StudySummary) -> Cell:
    wanted = "" if study.n_trials is None else f" of {study.n_trials:,}"
    return Cell(f"{study.n_finished:,}{wanted}", study.n_finished)


def _metric(row: TrialRow | None, name: str) -> Cell:
    return Cell() if row is None else metric_cell(row, name)


def _seconds(seconds: float) -> Cell:
    return Cell(duration(seconds), seconds) if seconds else Cell()


def _pace(of: _Compared) -> Cell:
    return number_cell(of.summary.n_finished / of.seconds) if of.seconds else Cell()


def _best_settings(studies: Sequence[_Compared]) -> FindingTable:
    rows = compare_settings([of.best for of in studies if of.best is not None])
    return FindingTable(
        title="Settings of the best trials that differ",
        columns=_columns([of.handle.name for of in studies], is_name=True),
        rows=[(Cell(row.label, row.name), *row.cells) for row in rows if row.differs],
        note="" if any(row.differs for row in rows) else "The best trials have the same settings.",
    )


# --- study files ----------------------------------------------------------------------------------


def _study_files(studies: Sequence[_Compared]) -> tuple[list[Mapping[str, str]], list[str]]:
    """Return what each file says, by key, and a sentence for each invalid file.

    The number of trials is the study's present one, which `sweep resume --trials` changes.
    """
    files: list[Mapping[str, str]] = []
    unread = []
    for of in studies:
        name = of.handle.name
        text = with_trials(of.record.study_file, of.summary.n_trials)
        try:
            file = loads(text, f"study '{name}'", check_packages=False)
        except StudyFileError as error:  # written by another version
            files.append({})
            unread.append(f"The file of '{name}' is not compared: {error.problems[0]}")
        else:
            files.append(_flatten(file))
    return files, unread


def _flatten(file: StudyFile) -> dict[str, str]:
    found = {
        f"{section}.{key}": _text(value)
        for section in _SECTIONS
        for key, value in getattr(file, section).model_dump(mode="json").items()
    }
    found |= _space(file)
    found["enqueue"] = count(len(file.enqueue), "configuration")
    return {key: text for key, text in found.items() if key not in _NAMES}


def _space(file: StudyFile) -> dict[str, str]:
    """Describe searched and fixed settings by path, including defaults of missing ones."""
    found = {f"space.{name}": _text(setting.default) for name, setting in SETTINGS.items()}
    for placed in placements(file.space.nodes):
        node = placed.node
        if isinstance(node, Searched):
            is_log = getattr(node.domain, "log", False)
            found[node.path] = describe(node.domain) + (", log" if is_log else "")
        else:
            assert isinstance(node, Fixed)
            found[node.path] = _text(node.value)
    return found


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(of)}" for key, of in value.items())
    if value is None:
        return "left out"
    return value if isinstance(value, str) else show(value)


def _differences(names: Sequence[str], files: Sequence[Mapping[str, str]]) -> FindingTable:
    read = [file for file in files if file]
    keys = dict.fromkeys(key for file in read for key in file)
    differ = [key for key in keys if len({file.get(key) for file in read}) > 1]
    return FindingTable(
        title="What differs between the study files",
        columns=_columns(names),
        rows=[(Cell(key, key), *(_describe(file, key) for file in files)) for key in differ],
        note="" if differ else "The study files are equal.",
    )


def _describe(file: Mapping[str, str], key: str) -> Cell:
    return text_cell(file[key]) if key in file else Cell()
