"""Tabulate the workers, events and pending commands of a study."""

from collections.abc import Iterable, Mapping, Sequence

from sweep.catalogue.formats import count, device, memory, moment, number, percent, value
from sweep.enums import WorkerState
from sweep.findings.cells import count_cell, text_cell, trial_cell
from sweep.findings.tables import NOTHING, Cell, FindingTable, TableColumn
from sweep.store.records import CommandRow, EventRow, WorkerRow

#: A worker of a running study without a heartbeat for this long is marked.
SILENT_SECONDS = 30

_WORKER = (
    TableColumn("worker", "Worker"),
    TableColumn("state", "State"),
    TableColumn("host", "Host"),
    TableColumn("device", "Device"),
    TableColumn("trainer", "Trainer"),
    TableColumn("busy", "Busy", is_number=True),
    TableColumn("utilisation", "GPU-Util", is_number=True),
    TableColumn("memory", "Memory", is_number=True),
    TableColumn("training", "In training", is_number=True),
    TableColumn("pace", "Trials/s", is_number=True),
    TableColumn("finished", "Finished", is_number=True),
    TableColumn("seen", "Last heartbeat"),
)


def worker_table(
    workers: Iterable[WorkerRow], *, running: bool, paces: Mapping[str, float] | None = None
) -> FindingTable:
    """Tabulate workers, given as they started; those at work first, then the latest.

    ``paces`` are trials per second by the worker's name.
    """
    latest_first = [*workers][::-1]
    # A resumed study names its workers from w0 again: a name refers to its newest worker.
    newest = {worker.name: worker for worker in reversed(latest_first)}
    rows = []
    for worker in sorted(latest_first, key=lambda of: is_gone(of, running=running)):
        pace = (paces or {}).get(worker.name, 0.0) if newest[worker.name] is worker else 0.0
        rows.append(_worker(worker, gone=is_gone(worker, running=running), pace=pace))
    table = FindingTable(title="Workers", columns=_WORKER, rows=rows).without_empty()
    return table if paces is not None else table.without("pace")


def is_gone(worker: WorkerRow, *, running: bool) -> bool:
    """Return whether the worker ended, or its coordinator did."""
    return worker.state == WorkerState.GONE or not running


def _worker(worker: WorkerRow, *, gone: bool, pace: float) -> Sequence[Cell]:
    state = WorkerState.GONE if gone else worker.state
    slots = "" if worker.slots is None else f" of {worker.slots:,}"
    late_after = None if gone else SILENT_SECONDS
    return (
        text_cell(worker.name),
        text_cell(state),
        Cell(worker.host, worker.host, detail=f"pid {worker.pid}"),
        Cell(device(worker.device), worker.device, detail=_about_device(worker)),
        _trainer(worker),
        _utilisation(None if gone else worker.busy, worker.busy_since_first),
        _utilisation(None if gone else worker.utilisation, worker.utilisation_since_first),
        Cell() if gone else _memory(worker),
        Cell() if gone else Cell(f"{worker.n_training:,}{slots}", worker.n_training),
        Cell(number(pace, 2), pace) if pace or not gone else Cell(),
        count_cell(worker.n_finished),
        Cell(moment(worker.seen_at), worker.seen_at, at=worker.seen_at, late_after=late_after),
    )


def _about_device(worker: WorkerRow) -> str:
    driver = worker.driver_version and f"driver {worker.driver_version}"
    threads = count(worker.n_threads, "thread") if worker.n_threads else ""
    return ", ".join(filter(None, (worker.device_name, driver, threads)))


def _trainer(worker: WorkerRow) -> Cell:
    if worker.trainer is None:
        return Cell()
    if worker.fallback_reason is None:
        return text_cell(worker.trainer)
    return Cell(f"{worker.trainer}, not fused", worker.trainer, remark=worker.fallback_reason)


def _utilisation(share: float | None, mean: float | None) -> Cell:
    text = NOTHING if share is None else percent(share)
    detail = "" if mean is None else f"mean {percent(mean)}"
    return Cell(text, share, share=share, detail=detail)


def _memory(worker: WorkerRow) -> Cell:
    used, total = worker.memory_used_bytes, worker.memory_total_bytes
    if used is None or not total:
        return Cell()
    return Cell(memory(used, total), used, share=used / total)


_EVENT = (
    TableColumn("at", "When"),
    TableColumn("kind", "Event"),
    TableColumn("trial", "Trial"),
    TableColumn("worker", "Worker"),
    TableColumn("message", "Message"),
)


def event_table(events: Iterable[EventRow], *, note: str = "") -> FindingTable:
    """Tabulate events in the order in which they are given."""
    return FindingTable(
        title="Events",
        columns=_EVENT,
        rows=[
            (
                Cell(moment(event.at), event.at, at=event.at),
                text_cell(event.kind),
                Cell("") if event.number is None else trial_cell(event.number),
                text_cell(event.worker or ""),
                text_cell(event.message),
            )
            for event in events
        ],
        note=note,
    ).without_empty()


_COMMAND = (
    TableColumn("kind", "Waiting"),
    TableColumn("with", "With"),
    TableColumn("asked", "Asked"),
)


def command_table(commands: Iterable[CommandRow]) -> FindingTable:
    """Tabulate commands that no coordinator has applied yet, oldest first."""
    return FindingTable(
        title="Waiting commands",
        columns=_COMMAND,
        rows=[
            (
                text_cell(of.kind),
                Cell(_payload(of), of.payload),
                Cell(moment(of.created_at), of.created_at, at=of.created_at),
            )
            for of in commands
        ],
    )


def _payload(command: CommandRow) -> str:
    payload = command.payload.get("configuration", command.payload)
    return " ".join(f"{name}={value(of)}" for name, of in payload.items()) or NOTHING
