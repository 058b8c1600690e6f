"""Tables of studies and trials: list, best, trials."""

from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.catalogue.settings import by_setting, setting_of
from sweep.cli import words
from sweep.cli.options import LARGEST, Json, Storage, StudyNameOrOnly, stored_study
from sweep.cli.output import say, show_json, show_table
from sweep.cli.records import study_json, trial_json

if TYPE_CHECKING:
    from sweep.store.records import StudySummary, TrialRow, UnreadableStudy


def list_(
    show_all: Annotated[
        bool, typer.Option("--all", help="Also those that ties and explain trained, indented.")
    ] = False,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """List the studies in the database."""
    from sweep.findings.progress import study_status
    from sweep.store.handle import Database
    from sweep.store.migrate import open_store

    found = Database(open_store(storage)).study_list()
    if as_json:
        studies = [
            {**study_json(study), "derived_from": found.parents.get(study.name)}
            for study in found.studies
        ]
        show_json([*studies, *map(_unreadable_json, found.unreadable)])
        return
    rows: list[Sequence[str]] = []
    for study, *derived in found.families.values():
        rows.append(_study_cells(study))
        rows += [_study_cells(of, indent="  ") for of in derived if show_all]
    rows += map(_unreadable_cells, found.unreadable)
    if rows:
        show_table(_STUDY_HEADER, rows, left=4)
    else:
        say("no studies yet. `sweep start FILE` makes one.")
    n_folded = len(found.studies) - len(found.families)
    if n_folded and not show_all:
        command = words.command("sweep list --all", storage)
        many = "1 derived study is" if n_folded == 1 else f"{n_folded:,} derived studies are"
        say(f"{many} left out (`sweep ties`, `sweep explain`). All: {command}")
    for study in found.studies:
        if (status := study_status(study)).lacks_coordinator:
            say(f"{study.name}: {words.in_terminal(status.detail, storage)}")
    for unreadable in found.unreadable:
        say(unreadable.reason)


def _unreadable_json(study: "UnreadableStudy") -> dict[str, str]:
    return {"study_name": study.name, "unreadable": study.reason}


def _unreadable_cells(study: "UnreadableStudy") -> Sequence[str]:
    return (study.name, _UNREADABLE, *[words.NOTHING] * (len(_STUDY_HEADER) - 2))


_UNREADABLE = "unreadable"


_STUDY_HEADER = (
    "study",
    "state",
    "data",
    "tags",
    "trials",
    "best val_mse",
    "trial",
    "last written",
)


def _study_cells(study: "StudySummary", indent: str = "") -> Sequence[str]:
    from sweep.findings.progress import study_status

    wanted = "?" if study.n_trials is None else f"{study.n_trials:,}"
    return (
        indent + study.name,
        study_status(study).word,
        study.dataset,
        ", ".join(study.tags) or words.NOTHING,
        f"{study.n_finished:,}/{wanted}",
        words.number(study.best_value),
        words.text(study.best_number),
        words.moment(study.updated_at),
    )


def best(
    name: StudyNameOrOnly = None,
    n: Annotated[int, typer.Option("-n", min=1, max=LARGEST, help="How many trials.")] = 10,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show a study's best trials; with several objectives, its Pareto set.

    Only complete trials that are not marked invalid. Chosen by the validation error (val_mse); the
    test columns report, they do not choose.
    """
    study = stored_study(name, storage)
    summary, rows = study.summary(), study.best(n)
    if as_json:
        show_json([trial_json(row) for row in rows])
    elif rows:
        show_best(rows, summary.objectives)
    else:
        status = words.command(f"sweep status {quote(study.name)}")
        say(f"study '{study.name}' has no complete trial yet. {status}")


def show_best(rows: Sequence["TrialRow"], objectives: Sequence[str]) -> None:
    """The table of the best trials, on stdout."""
    settings = settings_of(rows)
    others = [name for name in objectives[1:] if name not in settings]
    header = ("trial", "val_mse", *others, "test_mse", "psnr", "exact pixels", *settings)
    show_table(header, [_best_cells(row, objectives, others, settings) for row in rows], left=0)


def _best_cells(
    row: "TrialRow", objectives: Sequence[str], others: Sequence[str], settings: Sequence[str]
) -> Sequence[str]:
    values = dict(zip(objectives, row.values, strict=False))
    return (
        str(row.number),
        words.number(row.value),
        *(words.number(values.get(name)) for name in others),
        *(words.cell(row, metric) for metric in ("test_mse", "psnr", "exact_pixel_share")),
        *param_cells(row, settings),
    )


def settings_of(rows: Sequence["TrialRow"]) -> list[str]:
    """The settings that were searched, in the order in which the trials have them."""
    names = [setting_of(param) for row in rows for param in row.params]
    return list(dict.fromkeys(names))


def param_cells(row: "TrialRow", settings: Sequence[str]) -> list[str]:
    """What the trial chose for each setting."""
    params = by_setting(row.params)
    return [words.text(params.get(name)) for name in settings]


def trials(
    name: StudyNameOrOnly = None,
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only trials that are waiting, running, complete, pruned or fail. Repeatable.",
        ),
    ] = None,
    sort: Annotated[
        str, typer.Option(metavar="KEY", help="number, state, value, or any metric.")
    ] = "number",
    desc: Annotated[bool, typer.Option("--desc", help="Highest first.")] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, max=LARGEST, help="Maximum number of trials.")
    ] = None,
    valid: Annotated[bool, typer.Option("--valid", help="Leave out invalid trials.")] = False,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """List a study's trials."""
    rows = stored_study(name, storage).trials(
        states=state or None,
        order_by=sort,
        limit=limit,
        descending=desc,
        include_invalid=not valid,
    )
    if as_json:
        show_json([trial_json(row) for row in rows])
    elif rows:
        settings = settings_of(rows)
        show_table(
            (*_TRIAL_HEADER, *settings, "remarks"),
            [_trial_cells(row, settings) for row in rows],
            left=2,
            words_last=1,
        )
    else:
        say("no such trials.")


_TRIAL_HEADER = ("trial", "state", "value", "test_mse", "psnr", "seconds")


def _trial_cells(row: "TrialRow", settings: Sequence[str]) -> Sequence[str]:
    return (
        str(row.number),
        row.state.lower(),
        words.number(row.value),
        *(words.cell(row, metric) for metric in ("test_mse", "psnr", "train_seconds")),
        *param_cells(row, settings),
        _remarks(row),
    )


def _remarks(row: "TrialRow") -> str:
    invalid = f"invalid: {row.invalid_reason or 'no reason given'}" if row.invalid else ""
    parts: list[Any] = [invalid, row.reason, row.note, " ".join(f"#{tag}" for tag in row.tags)]
    return words.unrolled("; ".join(str(part) for part in parts if part))
