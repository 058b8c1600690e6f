"""Start and resume studies, for commands and the public API."""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from types import FrameType
from typing import Any

from sweep import datasets
from sweep.coordinator.continuing import how_to_continue
from sweep.coordinator.loop import Coordinator
from sweep.coordinator.progress import Observer
from sweep.coordinator.provenance import collect_provenance
from sweep.coordinator.study_state import StudyState
from sweep.coordinator.user_requests import UserRequests
from sweep.coordinator.warm_start import WarmStart, read_warm_start
from sweep.coordinator.worker_pool import WorkerPool
from sweep.coordinator.workload import estimate_workload
from sweep.enums import Dataset, Pruner, StudyPhase, Trainer
from sweep.errors import (
    DataError,
    FailureLimitError,
    NotFoundError,
    StudyFileError,
    StudyHeldError,
    UsageError,
)
from sweep.launch.devices import n_cores, wanted_threads
from sweep.launch.launcher import Launcher
from sweep.launch.resources import RunOptions, RunResources, resolve_resources
from sweep.messages import WorkerSetup
from sweep.search.changes import incompatible_changes
from sweep.search.pruning import PruningRule, make_pruner
from sweep.search.samplers import quiet_optuna
from sweep.store.artifacts import artifact_folder
from sweep.store.commands import list_pending
from sweep.store.engine import Engine
from sweep.store.handle import StudyHandle, open_study, open_study_or_none
from sweep.store.lease import keep_renewed
from sweep.store.records import StudySummary
from sweep.store.study import (
    NewStudy,
    OpenStudy,
    add_waiting_trial,
    create_study,
    hold_study,
    invalid_trials,
    study_exists,
)
from sweep.store.usage import Usage
from sweep.studyfile import StudyFile, loads, to_toml

Say = Callable[[str], None]

#: Phases in which a study has nothing to train, unless it is changed.
_BUDGET_USED_UP = (StudyPhase.ANALYSING, StudyPhase.FINISHED, StudyPhase.OUT_OF_TIME)


def start(
    engine: Engine,
    study_file: StudyFile,
    options: RunOptions,
    observer: Observer,
    *,
    say: Say,
    go_on: bool = False,
    launcher: Launcher | None = None,
    resources: RunResources | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> StudyPhase:
    """Create a study and run it; return its last phase.

    ``attributes`` become Optuna's user attributes of the study; ``resources`` are shared by several
    runs. With ``go_on`` an existing study of that name and space is resumed. Raises StudyHeldError
    if a study of that name is running, whatever else is wrong, StudyFileError if the name is taken
    with another space, UsageError if it is taken with the same space.
    """
    study_file = with_absolute_path(study_file)
    name = study_file.study.name
    if not go_on:
        _refuse_if_it_runs(engine, name)
    resources = resources or resolve_resources(study_file, options, launcher)
    dataset = prepare_data(study_file, say)
    is_new = open_study_or_none(engine, name) is None
    if is_new:
        # Rejects studies that are not comparable before a study is created.
        read_warm_start(engine, study_file)
    if is_new and _create(engine, study_file, resources.trainer, attributes or {}):
        return _run(engine, study_file, resources, observer, dataset=dataset, say=say)
    stored = stored_file(engine, name)
    check_same(engine, stored, study_file)
    if not go_on:
        raise UsageError(
            f"study {name!r} already exists. "
            f"{how_to_continue(open_study(engine, name).summary())}; `--name OTHER` starts another."
        )
    return _run(
        *(engine, study_file, resources, observer),
        dataset=dataset,
        say=say,
        stored=stored,
    )


def _create(
    engine: Engine, study_file: StudyFile, trainer: Trainer, attributes: Mapping[str, Any]
) -> bool:
    check_baseline(study_file, study_file.n_trials)
    return create_study(
        engine,
        NewStudy(
            name=study_file.study.name,
            study_file=to_toml(study_file),
            provenance=collect_provenance(trainer),
            n_trials=study_file.n_trials,
            attributes=attributes,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class ScratchStudy:
    """A study in memory, run for measurements on the way."""

    #: What workers load: see ``prepare_data``.
    dataset: str
    #: Replaces the database's folder of weights.
    artifacts: Path
    #: Replaces the file's pruner.
    rule: PruningRule | None = None
    #: Seeds of its only trial; None for those of its file.
    seeds: tuple[int, ...] | None = None


def run_scratch(
    engine: Engine,
    study_file: StudyFile,
    scratch: ScratchStudy,
    resources: RunResources,
    observer: Observer,
    *,
    say: Say,
) -> None:
    """Create a scratch study and run it. A signal ends it at once, as any other function."""
    _create(engine, study_file, resources.trainer, {})
    if scratch.seeds is not None:
        add_waiting_trial(engine, study_file.study.name, scratch.seeds)
    _run(
        *(engine, study_file, resources, observer),
        dataset=scratch.dataset,
        say=say,
        scratch=scratch,
    )


def resume(
    engine: Engine,
    name: str,
    options: RunOptions,
    observer: Observer,
    *,
    say: Say,
    trials: int | None = None,
    study_file: StudyFile | None = None,
    launcher: Launcher | None = None,
    resources: RunResources | None = None,
) -> StudyPhase:
    """Continue a study from its stored file or a changed one; return its last phase.

    ``trials`` sets a new budget; ``resources`` are as for ``start``. Raises NotFoundError,
    StudyFileError for a change that a study with trials cannot take, StudyHeldError while another
    coordinator runs it.
    """
    stored = stored_file(engine, name)
    if study_file is not None:
        study_file = with_absolute_path(study_file)
        check_same(engine, stored, study_file)
        n_trials = open_study(engine, name).summary().n_trials or 0
        check_baseline(study_file, max(n_trials, trials or 0, study_file.n_trials))
    file = study_file or stored
    digest = open_study(engine, name).record().provenance.get("data_sha256")
    if digest and file.data.name != stored.data.name:
        check_moved(file, digest)
    resources = resources or resolve_resources(file, options, launcher, n_trials=trials)
    dataset = prepare_data(file, say, digest, engine)
    return _run(
        *(engine, file, resources, observer),
        dataset=dataset,
        say=say,
        trials=trials,
        stored=stored,
    )


def refuse_if_running(study: StudySummary) -> None:
    """Raise StudyHeldError if a coordinator runs the study."""
    if study.running:
        assert study.held_by is not None
        raise StudyHeldError(
            f"study '{study.name}' runs already: process {study.held_by.pid} on "
            f"{study.held_by.host}. `sweep status {quote(study.name)}` shows it."
        )


def _refuse_if_it_runs(engine: Engine, name: str) -> None:
    if (study := open_study_or_none(engine, name)) is not None:
        refuse_if_running(study.summary())


def stored_file(engine: Engine, name: str) -> StudyFile:
    """Load the stored study file. Raises NotFoundError, UsageError for a study of plain Optuna."""
    try:
        text = open_study(engine, name).record().study_file
    except NotFoundError:
        if not study_exists(engine, name):
            raise
        raise UsageError(
            f"study {name!r} already exists and was not created by sweep, so it has no study "
            "file. `--name OTHER` starts another."
        ) from None
    return loads(text, f"study {name!r}")


def check_baseline(study_file: StudyFile, n_trials: int) -> None:
    """Raise StudyFileError if the baseline names a trial that the study does not have."""
    number = study_file.baseline.number
    if number is not None and number >= n_trials:
        problem = (
            f"study.baseline: there is no trial {number} among {n_trials:,}, which are numbered "
            "from 0. Name one of them, or settings such as { hidden_width = 32 }."
        )
        raise StudyFileError(study_file.study.name, [problem])


def check_moved(study_file: StudyFile, sha256: str) -> None:
    """Raise DataError unless the images at another path are those of the study."""
    name = study_file.data.name
    found = datasets.load(name, study_file.data.size).sha256
    if found != sha256:
        raise DataError(
            f"{name}: not the images this study began with: SHA-256 {found[:12]}… instead of "
            f"{sha256[:12]}…. Give the path of those images, or start a study with another name."
        )


def check_same(engine: Engine, stored: StudyFile, study_file: StudyFile) -> None:
    """Raise StudyFileError if the study file changes what a resumed study must keep."""
    if changes := incompatible_changes(stored, study_file):
        name = study_file.study.name
        _refuse_if_it_runs(engine, name)  # a running study is the error to report first
        raise StudyFileError(
            f"study {name!r} already exists and cannot be changed like this", changes
        )


def _run(
    engine: Engine,
    study_file: StudyFile,
    resources: RunResources,
    observer: Observer,
    *,
    dataset: str,
    say: Say,
    trials: int | None = None,
    stored: StudyFile | None = None,
    scratch: ScratchStudy | None = None,
) -> StudyPhase:
    """Run an existing study; ``stored`` is its file so far, None for a new study."""
    quiet_optuna()
    rule = scratch.rule if scratch else _rule(study_file)
    name = study_file.study.name
    warm_start = _warm_start(engine, study_file, say)
    pool = WorkerPool(
        resources.launcher,
        _setup(study_file, resources, dataset, prunes=rule is not None),
        numbers=resources.numbers,
        n_retries=study_file.workers.retries,
    )
    is_over = stored == study_file and open_study(engine, name).summary().phase in _BUDGET_USED_UP
    # Workers take seconds to start, and loading 100,000 trials takes seconds too.
    ahead = () if is_over and trials is None else resources.devices
    with _kill_on_error(pool):
        opened = hold_study(
            engine,
            name,
            waiting=lambda left: say(f"another coordinator may still run it; waiting {left:.0f} s"),
            held=lambda: pool.start_ahead(ahead),
        )
        try:
            folder = scratch.artifacts if scratch else artifact_folder(engine.url)
            study_state = StudyState(opened, study_file, folder, warm_start)
            if stored is not None:
                _note_resumption(opened, stored, study_file, resources.trainer)
                # The file's own budget counts if it was changed: --trials may have raised it.
                if trials is None and study_file.n_trials != stored.n_trials:
                    trials = study_file.n_trials
            if trials is not None:
                study_state.source.extend(trials)
            coordinator = _coordinator(
                engine,
                opened,
                study_file,
                study_state,
                resources,
                observer,
                pool,
                say,
                rule=rule,
            )
            with (
                nullcontext() if scratch else _signals(coordinator.interrupt),
                keep_renewed(engine, opened.study_id, opened.writer.token),
            ):
                phase = coordinator.run()
        except BaseException as error:
            opened.writer.abandon(str(error) or type(error).__name__)
            raise
    if phase == StudyPhase.FAILED:
        limit = study_file.budget.max_failures
        raise FailureLimitError(
            f"study {name!r}: more than {limit} trials failed (budget.max_failures). `sweep trials "
            f"{quote(name)} --state fail` says why; `sweep resume {quote(name)} --set "
            f"budget.max_failures={2 * limit + 10}` continues."
        )
    return phase


def _warm_start(engine: Engine, study_file: StudyFile, say: Say) -> WarmStart:
    study = open_study(engine, study_file.study.name)
    warm_start = read_warm_start(
        engine,
        study_file,
        data_sha256=study.record().provenance.get("data_sha256"),
        before=study.key.created_at,
    )
    for note in warm_start.notes:
        say(f"warm start: {note}")
    return warm_start


@contextmanager
def _kill_on_error(pool: WorkerPool) -> Iterator[None]:
    try:
        yield
    except BaseException:
        pool.kill()
        raise


def _note_resumption(
    opened: OpenStudy, stored: StudyFile, study_file: StudyFile, trainer: Trainer
) -> None:
    if study_file != stored:
        opened.writer.rows.study["study_file"] = to_toml(study_file)
    opened.writer.note_run({**collect_provenance(trainer), "at": opened.held_since})


def _rule(study_file: StudyFile) -> PruningRule | None:
    return None if study_file.pruner.name is Pruner.NONE else make_pruner(study_file)


def _setup(
    study_file: StudyFile, resources: RunResources, dataset: str, *, prunes: bool
) -> WorkerSetup:
    return WorkerSetup(
        dataset=dataset,
        validation_fraction=study_file.data.validation_fraction,
        split_seed=study_file.data.split_seed,
        pruning=prunes,
        n_threads=resources.n_threads,
        train_limit=study_file.data.train_limit,
        trainer=resources.trainer,
        expected=estimate_workload(study_file),
        max_slots=resources.population,
        n_workers_on_device=resources.devices.count(resources.devices[0]),
        silence_seconds=study_file.workers.silence_seconds,
        spectrum=study_file.study.spectrum,
    )


def _coordinator(
    engine: Engine,
    opened: OpenStudy,
    study_file: StudyFile,
    study_state: StudyState,
    resources: RunResources,
    observer: Observer,
    pool: WorkerPool,
    say: Say,
    *,
    rule: PruningRule | None,
) -> Coordinator:
    launcher = resources.launcher
    return Coordinator(
        study_file=study_file,
        study_state=study_state,
        writer=opened.writer,
        pool=pool,
        start_analysis=launcher.start_analysis if study_file.study.probe else None,
        n_cores=wanted_threads() or n_cores(),
        inbox=launcher.inbox,
        devices=list(resources.devices),
        rule=rule,
        requests=lambda: UserRequests(
            list_pending(engine, opened.study_id), invalid_trials(engine, opened.study_id)
        ),
        usage=_usage_reader(open_study(engine, study_file.study.name), study_file),
        data_sha256=opened.data_sha256,
        observer=observer,
        warn=say,
    )


def _usage_reader(study: StudyHandle, study_file: StudyFile) -> Callable[[], Usage] | None:
    """Build the usage query; None if no budget depends on usage."""
    budget = study_file.budget
    if budget.max_seconds is None and budget.max_gpu_hours is None:
        return None
    return study.usage


def with_absolute_path(study_file: StudyFile) -> StudyFile:
    """Replace the path of a user's images by the absolute path, which works from any folder."""
    name = study_file.data.name
    if name in list(Dataset):
        return study_file
    path = Path(name).expanduser().absolute()
    data = study_file.data.model_copy(update={"name": str(path)})
    return study_file.model_copy(update={"data": data})


def prepare_data(
    study_file: StudyFile, say: Say, sha256: str | None = None, engine: Engine | None = None
) -> str:
    """Read a study's data before it trains; return what its workers load.

    A user's images that are not at their path are found by the digest ``sha256``: in the cache, in
    this folder, or next to the database of ``engine``. Raises DataError for unusable data.
    """
    # Once, here, instead of in every worker at the same time.
    name, size = study_file.data.name, study_file.data.size
    if name in list(Dataset):
        if datasets.find(name) is None:
            datasets.prepare(name, None, say)
        return datasets.for_workers(name, size, datasets.load(name, size))
    if datasets.find(name) is not None:
        return datasets.for_workers(name, size, datasets.load(name, size))
    near = [] if engine is None else [artifact_folder(engine.url).parent]
    images = datasets.load_again(name, size, sha256, near)
    say(f"{name} is missing; the same images are at {images.name}")
    return datasets.for_workers(images.name, size, images)


@contextmanager
def _signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Pass SIGINT and SIGTERM to the coordinator; a third signal ends the process as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = 0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        interrupt()
        if received >= 2:
            signal.signal(number, signal.SIG_DFL)

    previous = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
