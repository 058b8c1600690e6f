"""``start --dry-run``: what a study would do, without running or writing anything."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.cli import budgets, words
from sweep.cli.output import show_pairs, show_sentences, show_titled_table
from sweep.enums import Dataset, Duplicates, Trainer
from sweep.studyfile import Fixed, Node, Searched, StudyFile
from sweep.studyfile.enqueue import describe

if TYPE_CHECKING:
    from sweep.coordinator.run import Plan
    from sweep.launch.resources import RunOptions

N_FIRST = 5


def show_plan(study_file: StudyFile, options: "RunOptions", storage: str | None) -> None:
    """The plan, on stdout."""
    from sweep.coordinator.run import plan
    from sweep.store.migrate import open_store

    engine = open_store(storage) if study_file.warm_start.studies else None
    planned = plan(study_file, options, N_FIRST, engine)
    show_pairs(_summary(study_file, planned))
    show_sentences("Warm start", planned.warm_start)
    header = ("setting", "values", "only with")
    show_titled_table("Space", header, _space_rows(study_file.space.nodes, ""), left=3)
    _show_first(study_file, planned)


def _summary(study_file: StudyFile, planned: "Plan") -> dict[str, str]:
    seeds = f", {study_file.study.repeat} seeds each" if study_file.study.repeat > 1 else ""
    return {
        "study": study_file.study.name,
        "trials": f"{planned.n_trials:,}{seeds}",
        "also ends": _other_budgets(study_file, planned),
        "duplicates": _DUPLICATES[study_file.study.duplicates],
        "minimises": ", ".join(study_file.study.objectives),
        "baseline": _baseline(study_file),
        "sampler": study_file.sampler.name,
        "pruner": study_file.pruner.name,
        "workers": f"{_devices(planned)}, {_trainer(planned.trainer)}",
        "data": _data(study_file.data.name, planned.data_folder),
    }


def _data(name: str, folder: Path | None) -> str:
    if name not in list(Dataset):
        return name  # its path
    return f"{name} in {folder or 'no folder yet: a download'}"


_DUPLICATES = {
    Duplicates.REUSE: "their value counts again, they are not trained again",
    Duplicates.TRAIN: "are trained again",
}


def _baseline(study_file: StudyFile) -> str:
    if (number := study_file.baseline.number) is not None:
        return f"trial {number}"
    settings = study_file.baseline_to_enqueue()
    if settings is None:
        return "the question's configuration, which this space does not have"
    named = ", ".join(f"{name} {words.text(value)}" for name, value in settings.items())
    return named or "the only configuration of the space"


def _other_budgets(study_file: StudyFile, planned: "Plan") -> str:
    limits = budgets.limits(study_file.budget)
    on_cpu = planned.devices[0] == "cpu" and study_file.budget.max_gpu_hours is not None
    return ", ".join(limits) + (" (on the CPU none are used)" if on_cpu else "") or "never"


def _devices(planned: "Plan") -> str:
    devices = planned.devices
    if planned.n_threads is not None:
        return f"{len(devices)} on the CPU with {words.count(planned.n_threads, 'thread')} each"
    return ", ".join(f"{devices.count(d)} on GPU {d}" for d in dict.fromkeys(devices))


def _trainer(trainer: Trainer) -> str:
    if trainer is Trainer.AUTO:
        return "fused trainer where the GPU passes its self-check, else reference trainer"
    return f"{trainer} trainer"


def _space_rows(nodes: Sequence[Node], condition: str) -> Iterator[tuple[str, str, str]]:
    for node in nodes:
        if isinstance(node, Fixed):
            yield node.setting, f"{words.text(node.value)} (fixed)", condition or words.NOTHING
            continue
        log = ", logarithmic" if getattr(node.domain, "log", False) else ""
        yield node.setting, describe(node.domain) + log, condition or words.NOTHING
        yield from _inner_rows(node, condition)


def _inner_rows(node: Searched, condition: str) -> Iterator[tuple[str, str, str]]:
    for value, inner in node.when.items():
        here = f"{node.setting} {words.text(value)}"
        yield from _space_rows(inner, f"{condition}, {here}" if condition else here)


def _show_first(study_file: StudyFile, planned: "Plan") -> None:
    settings = list(dict.fromkeys(node.setting for node in study_file.space.search_space()))
    shown = [name for name in settings if name != "seed"] or ["hidden_width", "loss", "epochs"]
    rows = [[words.text(asdict(config)[name]) for name in shown] for config in planned.first]
    show_titled_table(f"First {words.count(len(rows), 'configuration')}", shown, rows, left=0)
