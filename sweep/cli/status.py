"""Command status: what a study is doing, once or repeatedly."""

import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from sweep.cli import words
from sweep.cli.options import Json, Storage, StudyNameOrOnly, stored_study
from sweep.cli.output import clear, show_finding, show_json, show_pairs
from sweep.cli.records import study_json
from sweep.enums import WorkerState
from sweep.errors import UsageError
from sweep.findings import budgets
from sweep.findings.activity import command_table, event_table, worker_table
from sweep.findings.progress import (
    data_in_words,
    progress_table,
    study_status,
    tally,
    trainers,
    trial_counts,
)
from sweep.store.handle import StudyHandle
from sweep.store.records import StudySummary, WorkerRow

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


def _as_json(handle: StudyHandle) -> dict[str, Any]:
    return {
        **study_json(study := handle.summary()),
        "trained_on": data_in_words(handle.record()),
        "budget": {part.name: part._asdict() for part in budgets.of_study(handle, study)},
        "workers": handle.workers(),
        "commands": handle.commands(pending_only=True),
        "events": handle.events(newest=_N_EVENTS),
    }


def _show_status(handle: StudyHandle, storage: str | None = None) -> bool:
    """Print the status; return whether the study runs."""
    study, workers = handle.summary(), handle.workers()
    here = [of for of in workers if study.running or of.state != WorkerState.GONE]
    show_pairs(_summary(handle, study, workers, storage))
    show_finding(progress_table(study, workers))
    for table in (
        budgets.budget_table(handle, study),
        worker_table(here, running=study.running),
        command_table(handle.commands(pending_only=True)),
        event_table(handle.events(newest=_N_EVENTS)),
    ):
        show_finding(table)
    return study.running


def _summary(
    handle: StudyHandle,
    study: StudySummary,
    workers: Sequence[WorkerRow],
    storage: str | None,
) -> dict[str, str]:
    record, status = handle.record(), study_status(study)
    pairs = {
        "study": study.name + (f" - {study.description}" if study.description else ""),
        "state": status.word,
        "because": "" if study.running else words.in_terminal(status.detail, storage),
        "trials": tally(trial_counts(study)),
        "trainer": trainers(record, workers),
        "WARNING": _fallbacks(study, workers),
        "data": data_in_words(record),
        "coordinator": _coordinator(study),
        "tags": ", ".join(study.tags),
        "note": study.note or "",
        "last written": words.moment(study.updated_at),
    }
    return {name: said for name, said in pairs.items() if said}


def _fallbacks(study: StudySummary, workers: Sequence[WorkerRow]) -> str:
    """List short reasons why GPUs do not use the fused trainer; events have them in full."""
    reasons: dict[str, list[str]] = {}
    for worker in workers:
        if worker.fallback_reason and (worker.state != WorkerState.GONE or not study.running):
            reasons.setdefault(worker.fallback_reason, []).append(worker.name)
    return "; ".join(
        f"{', '.join(dict.fromkeys(names))} without the fused trainer: {reason.splitlines()[0]}"
        for reason, names in reasons.items()
    )


def _coordinator(study: StudySummary) -> str:
    lease = study.held_by
    if lease is None:
        return "none so far"
    who = f"process {lease.pid} on {lease.host}"
    if lease.live:
        return f"{who}, since {words.moment(lease.taken_at)}"
    return f"none now; the last was {who}"
