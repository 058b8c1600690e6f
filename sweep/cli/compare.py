"""Command compare: trials side by side, of one study or of several, or whole studies."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import typer

from sweep.cli import words
from sweep.cli.options import LARGEST, Json, Storage
from sweep.cli.output import show, show_finding, show_json
from sweep.cli.records import trial_json
from sweep.errors import UsageError
from sweep.findings.comparison import MARK, Comparison, gather_comparison
from sweep.findings.study_comparison import StudyComparison, gather_studies, gather_trials
from sweep.store.handle import StudyHandle, open_study
from sweep.store.migrate import open_store

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
        found: Comparison | StudyComparison = gather_studies(list(studies.values()))
    elif len(studies) == 1:
        found = _of_one_study(trials[0][0], [number for _, number in trials])
    else:
        found = gather_trials(trials)
    if as_json:
        show_json(_trials_json(found) if isinstance(found, Comparison) else found.to_json())
        return
    if isinstance(found, Comparison):
        show(f"{words.count(len(found.trials), 'trial')}; {MARK} marks settings that differ")
    for sentence in filter(None, (*found.cautions, found.headline)):
        show(words.in_terminal(sentence, storage))
    for table in found.tables.values():
        show_finding(table, storage)


def _of_one_study(study: StudyHandle, numbers: Sequence[int]) -> Comparison:
    for number in numbers:
        study.trial(number)  # raises NotFoundError with the existing numbers
    return gather_comparison(study, study.table(), numbers)


def _trials_json(found: Comparison) -> dict[str, Any]:
    trials = [
        {"study_name": study, **trial_json(row), "curve": curve}
        for study, row, curve in zip(found.studies, found.trials, found.curves, strict=True)
    ]
    about = {"headline": found.headline, "cautions": found.cautions}
    return {"trials": trials, "differences": found.differences, **about}


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
