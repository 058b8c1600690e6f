"""Command compare: trials side by side, of one study or of several, or whole studies."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import typer

from sweep.cli import words
from sweep.cli.options import LARGEST, Json, Storage
from sweep.cli.output import show, show_finding, show_json, show_titled_table
from sweep.cli.records import trial_json
from sweep.errors import UsageError
from sweep.findings.comparison import ComparedRow, gather_comparison
from sweep.findings.dialects import in_ascii
from sweep.findings.study_comparison import gather_studies, gather_trials
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.store.handle import StudyHandle, open_study
from sweep.store.migrate import open_store
from sweep.store.records import CurvePoint, TrialRow

_MARK = "*"
_HOW = "`sweep compare NAME 0 7`, `sweep compare A:0 B:7`, or `sweep compare A B` for whole studies"


class _Named(NamedTuple):
    """A study or one of its trials, as an argument names it."""

    study: str
    number: int | None


def compare(
    named: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME [NUMBER]...",
            help="Trials of a study (NAME 0 7) or of several (A:0 B:7), or studies (A B).",
        ),
    ],
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show trials or studies side by side.

    Trials: settings (* where they differ), metrics, ends of the curves. Studies: what each found,
    in how many trials and seconds, what differs between their files and between their best trials.
    """
    chosen = list(dict.fromkeys(_read(named)))
    if len(chosen) < 2:
        raise UsageError(f"compare needs two or more: {_HOW}.")
    engine = open_store(storage)
    names = dict.fromkeys(of.study for of in chosen)
    studies = {name: open_study(engine, name) for name in names}
    trials = [(studies[of.study], of.number) for of in chosen if of.number is not None]
    if not trials:
        _compare_studies(list(studies.values()), as_json, storage)
    elif len(studies) == 1:
        (study,) = studies.values()
        _compare_trials(study, [number for _, number in trials], as_json)
    else:
        _compare_across(trials, as_json)


def _read(named: Sequence[str]) -> list[_Named]:
    """Read the arguments. Raises UsageError if trials and studies are mixed."""
    first, *others = named
    if others and ":" not in first and all(of.isdecimal() for of in others):
        return [_Named(first, _number(of)) for of in others]
    found = [_parse(of) for of in named]
    if len({of.number is None for of in found}) > 1:
        raise UsageError(f"compare accepts trials or studies, not both: {_HOW}.")
    return found


def _parse(text: str) -> _Named:
    study, colon, number = text.rpartition(":")
    return _Named(study, _number(number)) if colon else _Named(text, None)


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(LARGEST)) or int(text) > LARGEST:
        raise UsageError(f"{words.shorten(text)!r} is not a trial number: {_HOW}.")
    return int(text)


# --- trials ---------------------------------------------------------------------------------------


def _compare_trials(study: StudyHandle, numbers: Sequence[int], as_json: bool) -> None:
    for number in numbers:
        study.trial(number)  # raises NotFoundError with the existing numbers
    found = gather_comparison(study, study.table(), numbers)
    settings = [*found.settings, found.seeds]
    curves = [found.curves.get(row.number, []) for row in found.trials]
    if as_json:
        trials = [
            {**trial_json(row), "curve": curve}
            for row, curve in zip(found.trials, curves, strict=True)
        ]
        show_json({"trials": trials, **_differences(settings), "headline": found.headline})
        return
    show(f"study '{study.name}'; {_MARK} marks settings that differ")
    labels = [f"trial {row.number}" for row in found.trials]
    _show_trials(found.headline, labels, settings, found.measured, found.trials, curves)


def _compare_across(trials: Sequence[tuple[StudyHandle, int]], as_json: bool) -> None:
    found = gather_trials(trials)
    if as_json:
        shown = [
            {"study_name": of.study, **trial_json(of.row), "curve": curve}
            for of, curve in zip(found.trials, found.curves, strict=True)
        ]
        about = {"headline": found.headline, "cautions": found.cautions}
        show_json({"trials": shown, **_differences(found.settings), **about})
        return
    show(f"{len(found.trials)} trials; {_MARK} marks settings that differ")
    for caution in found.cautions:
        show(in_ascii(caution))
    labels, rows = [of.label for of in found.trials], [of.row for of in found.trials]
    _show_trials(found.headline, labels, found.settings, found.measured, rows, found.curves)


def _differences(settings: Sequence[ComparedRow]) -> dict[str, Any]:
    return {"differences": [row.name for row in settings if row.differs]}


def _show_trials(
    headline: str,
    labels: Sequence[str],
    settings: Sequence[ComparedRow],
    measured: Sequence[ComparedRow],
    rows: Sequence[TrialRow],
    curves: Sequence[Sequence[CurvePoint]],
) -> None:
    if headline:
        show(in_ascii(headline))
    show_finding(_table("Settings", settings, labels, _MARK))
    show_finding(_table("Measured", measured, labels))
    show_titled_table("Last epoch", ("", *labels), _last_epochs(rows, curves))


def _table(
    title: str, rows: Sequence[ComparedRow], labels: Sequence[str], mark: str = ""
) -> FindingTable:
    trials = [TableColumn(label, label, is_number=True) for label in labels]
    return FindingTable(
        title=title,
        columns=[TableColumn("name", "", is_name=True), TableColumn("differs", ""), *trials],
        rows=[
            (Cell(row.label, row.name), Cell(mark if row.differs else ""), *row.cells)
            for row in rows
        ],
    )


def _last_epochs(
    rows: Sequence[TrialRow], curves: Sequence[Sequence[CurvePoint]]
) -> list[Sequence[str]]:
    last = [vars(curve[-1]) if curve else {} for curve in curves]
    return [
        ("state", *(row.state.lower() for row in rows)),
        ("epoch", *(words.text(point.get("epoch")) for point in last)),
        ("train_loss", *(words.number(point.get("train_loss")) for point in last)),
        ("val_mse", *(words.number(point.get("val_mse")) for point in last)),
    ]


# --- studies --------------------------------------------------------------------------------------


def _compare_studies(studies: Sequence[StudyHandle], as_json: bool, storage: str | None) -> None:
    found = gather_studies(studies)
    if as_json:
        show_json(found.to_json())
        return
    for sentence in (*found.cautions, found.headline):
        if sentence:
            show(words.in_terminal(sentence, storage))
    for table in found.tables:
        show_finding(table, storage)
