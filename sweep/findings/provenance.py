"""List what is needed to repeat a study, in addition to its file, in words."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sweep.catalogue import formats
from sweep.findings.cells import text_cell
from sweep.findings.progress import data_in_words, trainers
from sweep.findings.tables import Cell, FindingTable, TableColumn
from sweep.store.handle import StudyRecord
from sweep.store.records import WorkerRow


def study_provenance(record: StudyRecord, workers: Sequence[WorkerRow]) -> FindingTable:
    """Tabulate the facts that are known."""
    provenance = record.provenance
    devices = {worker.device_name or worker.device for worker in workers}
    about, data = record.settings.study, record.settings.data
    facts: dict[str, Any] = {
        "seed": about.seed,
        "seeds per trial": about.repeat,
        "data set": data_in_words(record),
        "validation": f"{formats.percent(data.validation_fraction)} of the training images, drawn "
        f"with seed {data.split_seed}",
        "data SHA-256": provenance.get("data_sha256"),
        "git commit": provenance.get("git_commit"),
        "devices": ", ".join(sorted(devices)),
        "trainer": trainers(record, workers),
        "fused trainer not used": "; ".join(_fallback_reasons(workers)),
        "ptxas version": ", ".join(sorted({w.ptxas_version for w in workers if w.ptxas_version})),
        **{
            f"{key} version" if key in ("sweep", "python") else key: value
            for key, value in provenance.items()
            if key not in ("data_sha256", "git_commit", "gpus", "resumed", "trainer")
        },
        "GPUs": _cards(provenance.get("gpus", [])),
        "resumed": "; ".join(
            _describe_resumption(run, provenance) for run in provenance.get("resumed", [])
        ),
    }
    known = {label: of for label, of in facts.items() if of not in (None, "", {})}
    return FindingTable(
        title="Machine and versions",
        columns=[TableColumn("label", ""), TableColumn("value", "")],
        rows=[(text_cell(label), Cell(_fact(of), of)) for label, of in known.items()],
    )


def _fallback_reasons(workers: Sequence[WorkerRow]) -> Iterable[str]:
    return dict.fromkeys(worker.fallback_reason for worker in workers if worker.fallback_reason)


def _describe_resumption(run: Mapping[str, Any], first: Mapping[str, Any]) -> str:
    """Say when a study was resumed, and what has changed since it began."""
    at = datetime.fromtimestamp(run["at"], UTC)
    before = _surroundings(first)
    new = {name: of for name, of in _surroundings(run).items() if of != before.get(name)}
    return f"{at:%Y-%m-%d %H:%M} UTC" + (f", with {_fact(new)}" if new else "")


def _surroundings(run: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: of for name, of in run.items() if isinstance(of, str)}
    return {**plain, **run.get("packages", {}), "GPUs": _cards(run.get("gpus", [])) or "none"}


def _cards(gpus: Sequence[Mapping[str, Any]] | str) -> str:
    """List the GPUs of the coordinator's machine, as its driver reported when the study began."""
    if isinstance(gpus, str):
        return gpus
    return "; ".join(
        f"{gpu['name']}{_gigabytes(gpu['memory_total_bytes'])}, driver {gpu['driver']}"
        for gpu in gpus
    )


def _gigabytes(n_bytes: int | None) -> str:
    return "" if n_bytes is None else f", {n_bytes / 1e9:.0f} GB"


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_fact(of)}" for key, of in value.items() if of is not None)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
