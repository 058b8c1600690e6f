"""Command status: what a study is doing, once or repeatedly."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli import budgets, study_view, words
from sweep.cli.options import Json, Storage, StudyNameOrOnly, stored_study
from sweep.cli.output import clear, section, show_json, show_pairs, show_titled_table
from sweep.cli.records import study_json
from sweep.enums import WorkerState
from sweep.errors import UsageError

if TYPE_CHECKING:
    from sweep.store.handle import StudyHandle
    from sweep.store.records import CommandRow, StudySummary, WorkerRow

_N_EVENTS = 8
_WATCH_SECONDS = 2.0


def status(
    name: StudyNameOrOnly = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Repeat every 2 seconds, while the study runs.")
    ] = False,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show the progress of a study, its workers, and pending commands.

    "busy" is the share of the time between a worker's first epoch and its last in which its device
    trained; "gpu-util" is nvidia-smi's utilisation, its mean since the first epoch; "training"
    counts slots in use, out of those of its population.
    """
    if watch and as_json:
        raise UsageError("--watch is for people; --json prints once. Give one of them.")
    study = stored_study(name, storage)
    if as_json:
        show_json(_as_json(study))
        return
    running = _show_status(study, storage)
    while watch and running:
        time.sleep(_WATCH_SECONDS)
        clear()
        running = _show_status(stored_study(study.name, storage), storage)


def _as_json(handle: "StudyHandle") -> dict[str, Any]:
    from sweep.findings.progress import trained_on

    return {
        **study_json(study := handle.summary()),
        "trained_on": trained_on(handle.record()),
        "budget": {part.name: part._asdict() for part in budgets.of_study(handle, study)},
        "workers": handle.workers(),
        "commands": handle.commands(pending_only=True),
        "events": handle.events(newest=_N_EVENTS),
    }


def _show_status(handle: "StudyHandle", storage: str | None = None) -> bool:
    """Print the status; return whether the study runs."""
    study = handle.summary()
    everyone = handle.workers()
    workers = [
        study_view.stored_worker(worker, since_first=True)
        for worker in everyone
        if study.running or worker.state != WorkerState.GONE
    ]
    events = handle.events(newest=_N_EVENTS)
    view = study_view.stored_view(study, workers, events)
    show_pairs(_summary(handle, study, view, everyone, storage))
    section("Budgets", budgets.said(handle, study))
    _show_cells("Workers", study_view.worker_cells([view]))
    if waiting := handle.commands(pending_only=True):
        show_titled_table("Waiting", _COMMAND_HEADER, map(_command_cells, waiting), left=3)
    _show_cells("Lately", study_view.event_cells([view]))
    return study.running


def _show_cells(title: str, cells: study_view.StudyCells) -> None:
    if cells.rows:
        show_titled_table(title, cells.header, cells.rows, left=cells.left)


def _summary(
    handle: "StudyHandle",
    study: "StudySummary",
    view: study_view.StudyView,
    workers: "Sequence[WorkerRow]",
    storage: str | None,
) -> dict[str, str]:
    from sweep.findings.progress import study_status, trained_on, trainers

    record, status = handle.record(), study_status(study)

    pairs = {
        "study": study.name + (f" - {study.description}" if study.description else ""),
        "state": status.word,
        "because": "" if study.running else words.in_terminal(status.detail, storage),
        "trials": f"{study.n_finished:,} of {words.text(study.n_trials)} finished",
        "": study_view.tally(view),
        "best": study_view.best(view),
        "pace": study_view.pace(view),
        "trainer": trainers(record, workers),
        "WARNING": _fallbacks(study, workers),
        "data": trained_on(record),
        "coordinator": _coordinator(study),
        "tags": ", ".join(study.tags),
        "note": study.note or "",
        "last written": words.moment(study.updated_at),
    }
    return {name: said for name, said in pairs.items() if said}


def _fallbacks(study: "StudySummary", workers: "Sequence[WorkerRow]") -> str:
    """List short reasons why GPUs do not use the fused trainer; events have them in full."""
    reasons: dict[str, list[str]] = {}
    for worker in workers:
        if worker.fallback_reason and (worker.state != WorkerState.GONE or not study.running):
            reasons.setdefault(worker.fallback_reason, []).append(worker.name)
    return "; ".join(
        f"{', '.join(dict.fromkeys(names))} without the fused trainer: {reason.splitlines()[0]}"
        for reason, names in reasons.items()
    )


def _coordinator(study: "StudySummary") -> str:
    lease = study.held_by
    if lease is None:
        return "none so far"
    who = f"process {lease.pid} on {lease.host}"
    if lease.live:
        return f"{who}, since {words.moment(lease.taken_at)}"
    return f"none now; the last was {who}"


_COMMAND_HEADER = ("asked", "command", "with")


def _command_cells(command: "CommandRow") -> Sequence[str]:
    payload = command.payload.get("configuration", command.payload)
    said = " ".join(f"{key}={words.text(value)}" for key, value in payload.items())
    return words.moment(command.created_at), command.kind, said or words.NOTHING
