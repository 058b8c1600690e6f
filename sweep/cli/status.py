"""status: what a study is doing, once or over and over."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli import budgets, words
from sweep.cli.options import Json, Storage, StudyName
from sweep.cli.output import clear, section, show_json, show_pairs, show_titled_table
from sweep.cli.records import study_json, study_state
from sweep.errors import UsageError

if TYPE_CHECKING:
    from sweep.store.engine import Engine
    from sweep.store.records import CommandRow, EventRow, StudySummary, WorkerRow

_N_EVENTS = 8
_WATCH_SECONDS = 2.0


def status(
    name: StudyName,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again every 2 seconds, while the study runs.")
    ] = False,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Show how far a study is, who works on it, and what waits.

    "busy" is the share of the time between a worker's first epoch and its last in which its device
    trained; "gpu-util" is what nvidia-smi calls so, its mean since the first epoch; "training"
    counts slots in use, of those that its population has.
    """
    from sweep.store import read
    from sweep.store.migrate import open_store

    if watch and as_json:
        raise UsageError("--watch is for people; --json prints once. Give one of them.")
    engine = open_store(storage)
    if as_json:
        show_json(_as_json(engine, name))
        return
    _show_status(engine, name)
    while watch and read.study(engine, name).running:
        time.sleep(_WATCH_SECONDS)
        clear()
        _show_status(engine, name)


def _as_json(engine: "Engine", name: str) -> dict[str, Any]:
    from sweep.store import read

    return {
        **study_json(study := read.study(engine, name)),
        "budget": {part.name: part._asdict() for part in budgets.of_study(engine, study)},
        "workers": read.workers(engine, name),
        "commands": read.commands(engine, name, pending_only=True),
        "events": read.events(engine, name, newest=_N_EVENTS),
    }


def _show_status(engine: "Engine", name: str) -> None:
    from sweep.store import read

    study = read.study(engine, name)
    everyone = read.workers(engine, name)
    show_pairs(_summary(study, everyone))
    section("Budgets", budgets.said(engine, study))
    if workers := [w for w in everyone if study.running or w.state != "gone"]:
        show_titled_table("Workers", _WORKER_HEADER, map(_worker_cells, workers), left=5)
    if waiting := read.commands(engine, name, pending_only=True):
        show_titled_table("Waiting", _COMMAND_HEADER, map(_command_cells, waiting), left=3)
    if events := read.events(engine, name, newest=_N_EVENTS):
        show_titled_table("Lately", _EVENT_HEADER, map(_event_cells, events), left=5)


def _summary(study: "StudySummary", workers: "Sequence[WorkerRow]") -> dict[str, str]:
    best = f"{words.number(study.best_value)} (trial {study.best_number})"
    pace = f"{words.number(study.trials_per_second, 3)} trials/s"
    pairs = {
        "study": study.name + (f" - {study.description}" if study.description else ""),
        "state": study_state(study),
        "ended": (study.ended_because or "") if not study.running else "",
        "trials": f"{study.n_finished:,} of {words.text(study.n_trials)} finished",
        "": _tally(study),
        "best": NO_BEST if study.best_value is None else best,
        "pace": pace if study.trials_per_second is not None else "",
        "trainer": _trainers(workers),
        "WARNING": _fallbacks(study, workers),
        "data": study.dataset,
        "coordinator": _coordinator(study),
        "tags": ", ".join(study.tags),
        "note": study.note or "",
        "last written": words.moment(study.updated_at),
    }
    return {name: said for name, said in pairs.items() if said}


NO_BEST = "none yet"


def _trainers(workers: "Sequence[WorkerRow]") -> str:
    """What the trials were trained with, by the workers that were ready."""
    from sweep.store.trained import trainers_used

    used = trainers_used(workers)
    return ", ".join(f"{of} ({words.count(n, 'trial')})" for of, n in used.items())


def _fallbacks(study: "StudySummary", workers: "Sequence[WorkerRow]") -> str:
    """The reasons in short why GPUs are not used by the fused trainer; events have them in full."""
    reasons: dict[str, list[str]] = {}
    for worker in workers:
        if worker.fallback_reason and (worker.state != "gone" or not study.running):
            reasons.setdefault(worker.fallback_reason, []).append(worker.name)
    return "; ".join(
        f"{', '.join(dict.fromkeys(names))} without the fused trainer: {reason.splitlines()[0]}"
        for reason, names in reasons.items()
    )


def _tally(study: "StudySummary") -> str:
    counts = study.counts
    numbers = {
        "complete": counts["COMPLETE"] - study.n_reused,
        "reused": study.n_reused,
        "pruned": counts["PRUNED"],
        "failed": study.n_failed,
        "diverged": study.n_diverged,
        "running": counts["RUNNING"],
        "waiting": counts["WAITING"],
        "marked invalid": study.n_invalid,
    }
    return ", ".join(f"{n:,} {word}" for word, n in numbers.items() if n)


def _coordinator(study: "StudySummary") -> str:
    lease = study.held_by
    if lease is None:
        return "none so far"
    who = f"process {lease.pid} on {lease.host}"
    if lease.live:
        return f"{who}, since {words.moment(lease.taken_at)}"
    return f"none now; the last was {who}"


_WORKER_HEADER = (
    *("worker", "state", "device", "trainer", "host", "pid"),
    *("training", "busy", "gpu-util", "memory", "finished", "last seen"),
)


def _worker_cells(worker: "WorkerRow") -> Sequence[str]:
    device = worker.device if worker.device == "cpu" else f"GPU {worker.device}"
    utilisation = words.percent(worker.utilisation_since_first)
    memory = words.memory(worker.memory_used_bytes, worker.memory_total_bytes)
    if worker.state == "gone":  # as on the dashboard: others have its device by now
        utilisation = memory = words.NOTHING
    return (
        worker.name,
        worker.state,
        f"{device} {worker.device_name or ''}".strip(),
        words.text(worker.trainer),
        worker.host,
        str(worker.pid),
        f"{worker.n_training:,}" + ("" if worker.slots is None else f" of {worker.slots:,}"),
        words.percent(worker.busy_since_first),
        utilisation,
        memory,
        str(worker.n_finished),
        words.moment(worker.seen_at),
    )


_COMMAND_HEADER = ("asked", "command", "with")


def _command_cells(command: "CommandRow") -> Sequence[str]:
    payload = command.payload.get("configuration", command.payload)
    said = " ".join(f"{key}={words.text(value)}" for key, value in payload.items())
    return words.moment(command.created_at), command.kind, said or words.NOTHING


_EVENT_HEADER = ("when", "event", "trial", "worker", "what")


def _event_cells(event: "EventRow") -> Sequence[str]:
    return (
        words.moment(event.at),
        event.kind,
        words.text(event.number),
        event.worker or words.NOTHING,
        words.unrolled(event.message),
    )
