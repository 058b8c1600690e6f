"""Report a study's progress: its state, counts of its trials, remaining time, data and trainers."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sweep.catalogue.columns import column_named
from sweep.catalogue.formats import count, duration, moment, number, percent
from sweep.coordinator.continuing import how_to_continue
from sweep.datasets.images import n_validation
from sweep.enums import ACTIVE_PHASES, StudyPhase
from sweep.findings.activity import is_gone
from sweep.findings.cells import count_cell, text_cell
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.store.handle import StudyRecord
from sweep.store.records import StudySummary, WorkerRow
from sweep.store.training_record import trainers_used
from sweep.studyfile import Space, loads_or_none


class StudyStatus(NamedTuple):
    """What a study is doing."""

    word: str
    #: Sentences; may be empty.
    detail: str
    #: Whether its coordinator has disappeared, whatever phase it was in.
    lacks_coordinator: bool = False


def study_status(study: StudySummary) -> StudyStatus:
    """Return the phase, or "interrupted" if the coordinator is dead, and how to continue."""
    lease, go_on = study.held_by, f"{how_to_continue(study)}."
    if study.running and lease is not None:
        since = f"Process {lease.pid} on {lease.host} has run it since {moment(lease.taken_at)}."
        return StudyStatus(study.phase, since)
    if study.phase in ACTIVE_PHASES and lease is not None:
        gone = f"Process {lease.pid} on {lease.host}, which ran it, is dead."
        return StudyStatus(StudyPhase.INTERRUPTED, f"{gone} {go_on}", lacks_coordinator=True)
    because = study.ended_because or ""
    because = f"{because[:1].upper()}{because[1:]}." if because else ""
    if study.phase in (StudyPhase.FINISHED, StudyPhase.NEW):
        return StudyStatus(study.phase, because)
    return StudyStatus(study.phase, f"{because} {go_on}".strip())


def data_in_words(record: StudyRecord) -> str:
    """Name the data set and how many of its training images are for training and validation."""
    data, counts = record.settings.data, record.provenance.get("images", {})
    if "n_train" not in counts:  # no worker has read them yet
        limit = "" if data.train_limit is None else f", at most {count(data.train_limit, 'image')}"
        return f"{data.name}{limit}"
    n, n_kept = counts["n_train"], n_validation(counts["n_train"], data.validation_fraction)
    n_used = min(n - n_kept, data.train_limit or n)
    return f"{data.name}, {n_used:,} of {count(n, 'image')}, {n_kept:,} to validate"


def ended_counts(study: StudySummary) -> Mapping[str, int]:
    """Count trials by how they ended."""
    return {
        "complete": study.counts["COMPLETE"] - study.n_reused,
        "reused": study.n_reused,
        "pruned": study.counts["PRUNED"],
        "diverged": study.n_diverged,
        "failed": study.n_failed,
    }


def trial_counts(study: StudySummary) -> Mapping[str, int]:
    """Count trials by how they ended, or what they wait for; invalid trials count twice."""
    return {
        **ended_counts(study),
        "running": study.counts["RUNNING"],
        "waiting": study.counts["WAITING"],
        "marked invalid": study.n_invalid,
    }


def tally(counts: Mapping[str, int]) -> str:
    """List non-zero counts: ``20 complete, 3 pruned, 1 diverged``."""
    return ", ".join(f"{n:,} {kind}" for kind, n in counts.items() if n)


def seconds_left(study: StudySummary) -> float | None:
    """Estimate the time until the last trial at the pace of the last minute; None if unknown."""
    if not study.running or study.phase is StudyPhase.PAUSED:
        return None
    if study.n_trials is None or not study.trials_per_second:
        return None
    return max(0, study.n_trials - study.n_finished) / study.trials_per_second


def progress_table(study: StudySummary, workers: Sequence[WorkerRow]) -> FindingTable:
    """Tabulate how far a study is: what pages show in a strip of numbers."""
    counts, n_finished = study.counts, study.n_finished
    n_pruned, left = counts["PRUNED"], seconds_left(study)
    pruned = f"{percent(n_pruned / n_finished)} of the done" if n_finished else ""
    best = (Cell(), "no trial yet")
    if study.best_number is not None and study.best_value is not None:
        cell = Cell(number(study.best_value), study.best_value, trial=study.best_number)
        best = cell, f"{column_named(study.objectives[0]).title}, trial {study.best_number}"
    pace = study.trials_per_second
    when = "in the last minute" if study.running else "in its last minute"
    of = "trials" if study.n_trials is None else f"of {count(study.n_trials, 'trial')}"
    return table_of(
        "Progress",
        {
            "Done": (count_cell(n_finished), of),
            "Running": (count_cell(counts["RUNNING"]), f"{counts['WAITING']:,} waiting"),
            "Pruned": (count_cell(n_pruned), pruned),
            "Failed": (count_cell(study.n_failed), f"{study.n_diverged:,} diverged"),
            "Best": best,
            "Trials/s": (Cell(number(pace, 2), pace), "" if pace is None else when),
            **_busy(study, workers),
            "Time left": (Cell(duration(left), left), _until(study, left)),
        },
    )


def table_of(title: str, lines: Mapping[str, tuple[Cell, str | Cell]]) -> FindingTable:
    """Tabulate values under labels, each with what stands beside it."""
    return FindingTable(
        title=title,
        columns=[TableColumn("name", ""), TableColumn("value", ""), TableColumn("detail", "")],
        rows=[
            (text_cell(label), cell, text_cell(beside) if isinstance(beside, str) else beside)
            for label, (cell, beside) in lines.items()
        ],
    )


def _busy(study: StudySummary, workers: Sequence[WorkerRow]) -> dict[str, tuple[Cell, Cell]]:
    alive = [worker for worker in workers if not is_gone(worker, running=study.running)]
    known = [worker.busy for worker in alive if worker.busy is not None]
    share = sum(known) / len(known) if known else None
    beside = text_cell(f"of {count(len(alive), 'worker')}" if alive else "no worker now")
    if reasons := dict.fromkeys(of.fallback_reason for of in alive if of.fallback_reason):
        beside = Cell("without the fused trainer", remark="\n".join(filter(None, reasons)))
    on_gpus = bool(workers) and all(worker.device != "cpu" for worker in workers)
    cell = Cell() if share is None else Cell(percent(share), share)
    return {"GPU busy" if on_gpus else "Busy": (cell, beside)}


def _until(study: StudySummary, left: float | None) -> str:
    if not study.running:
        return "not running"
    if study.phase is StudyPhase.PAUSED:
        return "paused"
    return "at this pace" if left is not None else "not known"


def trainers(record: StudyRecord, workers: Sequence[WorkerRow]) -> str:
    """List the trainers that trained the trials: ``fused (37 trials)``.

    With the reason if the study's space leaves no choice.
    """
    used = trainers_used(workers)
    said = ", ".join(f"{of} ({count(n, 'trial')})" for of, n in used.items())
    file = loads_or_none(record.study_file)
    why = "" if file is None else only_trainer(file.space)
    return f"{said or 'reference trainer'}: {why}" if why else said


def only_trainer(space: Space) -> str:
    """Say why the reference trainer trains a study; empty if any trainer can."""
    beyond = space.reference_only()
    return f"{' and '.join(beyond)}, which no other trainer can train" if beyond else ""
