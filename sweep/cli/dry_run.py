"""Show what ``start --dry-run`` and ``resume --dry-run`` would do, without writing anything."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from sweep import nvml
from sweep.catalogue import formats
from sweep.catalogue.settings import SETTINGS, in_use
from sweep.cli import words
from sweep.cli.output import say, show, show_pairs, show_sentences, show_titled_table
from sweep.coordinator.pilot import TimeEstimate
from sweep.coordinator.plan import Plan, plan, plan_resume, time_of
from sweep.enums import Dataset, Duplicates, LauncherKind, Pruner, Trainer
from sweep.errors import DeviceError, SweepError
from sweep.findings import budgets
from sweep.findings.progress import only_trainer
from sweep.launch.resources import RunOptions
from sweep.nvml import Gpu
from sweep.store.handle import StudyHandle, open_study_or_none
from sweep.store.migrate import open_store, open_store_or_none
from sweep.studyfile import Fixed, Node, Searched, Space, StudyFile
from sweep.studyfile.enqueue import describe

N_FIRST = 5


def show_plan(
    study_file: StudyFile, options: RunOptions, storage: str | None, *, go_on: bool
) -> None:
    """Show what ``start`` would do; with ``go_on`` it resumes an existing study."""
    engine = (open_store if study_file.warm_start.studies else open_store_or_none)(storage)
    if go_on and engine is not None:
        existing = open_study_or_none(engine, study_file.study.name)
        if existing is not None:
            show_resume_plan(existing, options, trials=None, study_file=study_file)
            return
    planned = plan(study_file, options, N_FIRST, engine)
    _show(planned)
    _show_first(study_file, planned)
    _show_time(planned)


def show_resume_plan(
    study: StudyHandle,
    options: RunOptions,
    *,
    trials: int | None,
    study_file: StudyFile | None,
) -> None:
    """Show what ``resume`` would do."""
    planned = plan_resume(study.engine, study.name, options, trials=trials, study_file=study_file)
    _show(planned)
    _show_time(planned)


def _show(planned: Plan) -> None:
    show_pairs(_summary(planned.study_file, planned))
    show_sentences("Warm start", planned.warm_start)
    header = ("setting", "values", "only with")
    show_titled_table("Space", header, _space_rows(planned.study_file.space.nodes, ""), left=3)


def _show_time(planned: Plan) -> None:
    show()
    try:
        show_pairs({"time": _time(planned, time_of(planned, say))})
    except SweepError as error:
        show_pairs({"time": f"not estimated: {str(error).removesuffix('.')}"})


def _time(planned: Plan, estimate: TimeEstimate | None) -> str:
    if estimate is None:
        return "not estimated: the first epochs diverged"
    devices = dict.fromkeys(planned.devices)
    where = "this CPU" if "cpu" in devices else words.count(len(devices), "GPU")
    most = "at most" if estimate.is_upper_limit or _may_end_early(planned) else "about"
    title = SETTINGS[estimate.size].title
    timed = ", ".join(
        f"{getattr(of.config, estimate.size):,}: {words.seconds(of.seconds)}"
        for of in estimate.first_epochs
    )
    part = ""
    if estimate.n_timed < estimate.n_images:
        part = f", from {estimate.n_timed:,} of {estimate.n_images:,} images"
    side = "; the fused trainer trains trials side by side" if estimate.is_upper_limit else ""
    return (
        f"{most} {about(estimate.seconds)} on {where}{side}\n"
        f"      an epoch by {title}: {timed}{part}"
    )


def _may_end_early(planned: Plan) -> bool:
    """Return whether a rule may end trials or the study before all epochs are trained."""
    file = planned.study_file
    return file.pruner.name is not Pruner.NONE or bool(budgets.limits(file.budget))


def about(seconds: float) -> str:
    """Format an estimated duration, with two digits at most."""
    if seconds < 100:
        return f"{max(1, float(f'{seconds:.2g}')):.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{float(f'{seconds / 3600:.2g}'):g} h"


def _summary(study_file: StudyFile, planned: Plan) -> dict[str, str]:
    seeds = f", {study_file.study.repeat} seeds each" if study_file.study.repeat > 1 else ""
    existing = f" {planned.existing}" if planned.existing else ""
    return {
        "study": f"{study_file.study.name}{existing}",
        "trials": f"{planned.n_trials:,}{seeds}",
        "also ends": _other_budgets(study_file, planned),
        "duplicates": _DUPLICATES[study_file.study.duplicates],
        "minimises": ", ".join(study_file.study.objectives),
        "baseline": _baseline(study_file),
        "sampler": study_file.sampler.name,
        "pruner": study_file.pruner.name,
        "workers": f"{_devices(planned)}, {_trainer(planned.trainer, study_file.space)}",
        "data": _data(planned),
    }


def _data(planned: Plan) -> str:
    name, images, n_used = planned.study_file.data.name, planned.images, planned.n_train
    if images is None or n_used is None:
        return f"{name}, not on this machine yet: `start` downloads it"
    n_train, limit = len(images.train_images), planned.study_file.data.train_limit
    used = f"first {n_used:,} of {n_train:,} images" if limit else f"{n_train:,} images"
    where = f", in {planned.data_path}" if name in list(Dataset) else ""
    return f"{name}, {used} of {images.shape}, {len(images.test_images):,} for tests{where}"


_DUPLICATES = {Duplicates.REUSE: "reuse", Duplicates.TRAIN: "train again"}


def _baseline(study_file: StudyFile) -> str:
    if (number := study_file.baseline.number) is not None:
        return f"trial {number}"
    settings = study_file.baseline_to_enqueue()
    if settings is None:
        return "the question's configuration, which this space does not have"
    named = ", ".join(f"{name} {words.text(value)}" for name, value in settings.items())
    return named or "the only configuration of the space"


def _other_budgets(study_file: StudyFile, planned: Plan) -> str:
    limits = budgets.limits(study_file.budget)
    on_cpu = planned.devices[0] == "cpu" and study_file.budget.max_gpu_hours is not None
    return ", ".join(limits) + (" (not used on the CPU)" if on_cpu else "") or "never"


def _devices(planned: Plan) -> str:
    devices = planned.devices
    if planned.n_threads is not None:
        return f"{len(devices)} on the CPU with {words.count(planned.n_threads, 'thread')} each"
    cards = {} if planned.launcher is LauncherKind.RAY else _cards()
    return ", ".join(
        f"{devices.count(d)} on GPU {d}{_use(cards.get(d))}" for d in dict.fromkeys(devices)
    )


def _cards() -> dict[str, Gpu]:
    """Return this machine's cards by the identifiers that devices may use."""
    try:
        cards = nvml.cards() or ()
    except DeviceError:
        return {}
    return {name: card for card in cards for name in (str(card.index), card.uuid)}


#: Memory that the driver itself uses on an idle card: some hundred megabytes.
_UNUSED_BYTES = 10**9


def _use(card: Gpu | None) -> str:
    """Say what other processes use of a card, on which the study has no worker yet."""
    if card is None or card.memory_used_bytes is None:
        return ""
    is_busy = bool(card.utilisation) or card.memory_used_bytes > _UNUSED_BYTES
    if not is_busy:
        return " (free)"
    total = card.memory_total_bytes or card.memory_used_bytes
    memory = formats.memory(card.memory_used_bytes, total)
    busy = "" if card.utilisation is None else f", {words.percent(card.utilisation)} busy"
    return f" (others use {memory}{busy})"


def _trainer(trainer: Trainer, space: Space) -> str:
    if trainer is Trainer.AUTO:
        return "fused trainer where the GPU passes its self-check, else reference trainer"
    why = only_trainer(space)
    return f"{trainer} trainer" + (f": {why}" if why else "")


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


def _show_first(study_file: StudyFile, planned: Plan) -> None:
    settings = list(dict.fromkeys(node.setting for node in study_file.space.search_space()))
    shown = [name for name in settings if name != "seed"] or ["hidden_width", "loss", "epochs"]
    used = [in_use(asdict(config)) for config in planned.first]
    rows = [[words.text(of.get(name)) for name in shown] for of in used]
    show_titled_table(f"First {words.count(len(rows), 'configuration')}", shown, rows, left=0)
