"""Export metrics to Prometheus: studies and their live workers, in its text format (0.0.4).

Names and units follow its conventions. Counts can fall (a trial returns to WAITING, a study is
deleted), so all of them are gauges.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sweep.enums import WorkerState
from sweep.store.handle import DatabaseHandle
from sweep.store.records import StudySummary, WorkerRow

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


class Sample(NamedTuple):
    """A number and its labels; None is omitted."""

    metric: str
    labels: Labels
    value: float | None


#: Each metric's help; also the order on the page.
HELP = {
    "sweep_study_running": "1 while a coordinator holds the study's lease.",
    "sweep_study_trials": "Trials by Optuna's state.",
    "sweep_study_trials_wanted": "Target number of trials; absent if the grid decides.",
    "sweep_study_trials_failed": "Trials that count for the failure limit: FAIL, not diverged.",
    "sweep_study_trials_diverged": "Trials whose loss became infinite or NaN.",
    "sweep_study_best_value": "Lowest value of the first objective.",
    "sweep_study_trials_per_second": "Trials finished over the last minute of the study's work.",
    "sweep_study_commands_pending": "Commands that wait for a coordinator.",
    "sweep_worker_trials_training": "Trials in training on a live worker.",
    "sweep_worker_trials_finished": "Trials that a live worker has finished.",
    "sweep_worker_busy_ratio": "Share of the time in which the worker's device trained.",
    "sweep_worker_utilisation_ratio": "Utilisation of the worker's GPU, according to its driver.",
    "sweep_worker_memory_used_bytes": "Memory in use on the worker's device.",
    "sweep_worker_memory_total_bytes": "Memory of the worker's device.",
    "sweep_worker_seen_timestamp_seconds": "When the worker last sent a heartbeat.",
}


def exposition(database: DatabaseHandle) -> str:
    """Write the page of metrics with their present values."""
    samples: list[Sample] = []
    for study in database.studies():
        samples += _of_study(study)
        if study.running:
            living = (
                w for w in database.study(study.name).workers() if w.state != WorkerState.GONE
            )
            samples += (sample for worker in living for sample in _of_worker(study, worker))
    return _page(samples)


def _of_study(study: StudySummary) -> Iterable[Sample]:
    labels = {"study": study.name}
    for state, n in study.counts.items():
        yield Sample("sweep_study_trials", {**labels, "state": state.lower()}, n)
    numbers: Mapping[str, float | None] = {
        "running": study.running,
        "trials_wanted": study.n_trials,
        "trials_failed": study.n_failed,
        "trials_diverged": study.n_diverged,
        "best_value": study.best_value,
        "trials_per_second": study.trials_per_second,
        "commands_pending": study.n_pending_commands,
    }
    for name, value in numbers.items():
        yield Sample(f"sweep_study_{name}", labels, value)


def _of_worker(study: StudySummary, worker: WorkerRow) -> Iterable[Sample]:
    labels = {
        "study": study.name,
        "worker": worker.name,
        "host": worker.host,
        "device": worker.device,
    }
    numbers: Mapping[str, float | None] = {
        "trials_training": worker.n_training,
        "trials_finished": worker.n_finished,
        "busy_ratio": worker.busy,
        "utilisation_ratio": worker.utilisation,
        "memory_used_bytes": worker.memory_used_bytes,
        "memory_total_bytes": worker.memory_total_bytes,
        "seen_timestamp_seconds": worker.seen_at.timestamp(),
    }
    for name, value in numbers.items():
        yield Sample(f"sweep_worker_{name}", labels, value)


def _page(samples: Iterable[Sample]) -> str:
    found: dict[str, list[Sample]] = {metric: [] for metric in HELP}
    for sample in samples:
        if sample.value is not None:
            found[sample.metric].append(sample)
    lines = []
    for metric, group in found.items():
        if group:
            lines += [f"# HELP {metric} {HELP[metric]}", f"# TYPE {metric} gauge"]
            lines += [
                f"{metric}{_format_labels(sample.labels)} {float(sample.value or 0)!r}"
                for sample in group
            ]
    return "".join(f"{line}\n" for line in lines)


def _format_labels(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escape(text)}"' for name, text in labels.items()) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
