"""Command doctor: whether this machine has what a sweep needs."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

import sweep
from sweep import datasets
from sweep.catalogue import formats
from sweep.cli import doctor_study, words
from sweep.cli.options import Json, Storage
from sweep.cli.output import show_json, show_table
from sweep.enums import Dataset
from sweep.errors import DataError, DeviceError, NoRoomError, StoreError, SweepError, UsageError
from sweep.launch.devices import choose_devices, visible_gpus
from sweep.launch.introduction import introduction
from sweep.nvml import Gpu, cards
from sweep.store.engine import format_url, sqlite_path, storage_url
from sweep.store.handle import DatabaseHandle
from sweep.store.migrate import open_store

_TORCH_SECONDS = 120
_ROOM_BYTES = 1 << 30
_OPTIONAL = {"psycopg": "postgres", "cmaes": "samplers", "ray": "ray"}


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """A single check and its result."""

    what: str
    #: False if something is broken; None if it is absent but not needed.
    ok: bool | None
    said: str
    #: Exit code if it is broken.
    exit_code: int = 0


def doctor(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Examine this study instead of the machine.", show_default=False
        ),
    ] = None,
    repair: Annotated[bool, typer.Option("--repair", help="Repair the study's faults.")] = False,
    gpus: Annotated[
        str | None,
        typer.Option(metavar="all|cpu|0,1", help="Devices that must exist.", show_default=False),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--data", metavar="NAME", help="A data set to read and check."),
    ] = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Check GPUs, torch, the database and its schema, data sets and disk space; or a study.

    Exits with the code of the first thing that is broken; something absent is no fault, unless
    --gpus, --data or --storage asks for it.

    The fused trainer's self-check runs on each GPU, as at the start of a study: that takes seconds,
    or longer while Triton's cache is empty. A GPU with wrong numbers is broken; one that cannot use
    the fused trainer, for example because it is too old, trains with the reference trainer.

    With NAME it searches for faults of a study: a lease that was not released, RUNNING trials that
    no worker trains, gaps in numbers and curves, values that differ from a trial's epochs and
    results, tables that differ from the schema, weights without trials, trials without weights.
    --repair fixes them, in one transaction, unless a coordinator runs the study. Exits with 12 if
    faults are left.
    """
    if name is not None:
        if gpus is not None or dataset is not None:
            raise UsageError("--gpus and --data examine the machine. Omit NAME for them.")
        doctor_study.examine(name, storage, repair=repair, as_json=as_json)
        return
    if repair:
        raise UsageError("--repair repairs a study: give its NAME, as in `sweep list`.")
    findings = [
        _versions(),
        *_extras(),
        _check("torch", _ask_torch, SweepError.exit_code),
        *_gpus(gpus),
        *_fused_trainer(),
        _database(storage),
        *_data(dataset),
        *_room(storage),
    ]
    if as_json:
        show_json(findings)
    else:
        show_table(
            ("", "what", "found"), [(_MARKS[f.ok], f.what, f.said) for f in findings], left=3
        )
    broken = next((finding for finding in findings if finding.ok is False), None)
    if broken is not None:
        raise typer.Exit(broken.exit_code)


_MARKS = {True: "ok", False: "BROKEN", None: "-"}


def _check(what: str, look: Callable[[], str], exit_code: int) -> CheckResult:
    try:
        return CheckResult(what=what, ok=True, said=look())
    except SweepError as error:
        return CheckResult(what=what, ok=False, said=str(error), exit_code=error.exit_code)
    except Exception as error:
        said = f"{type(error).__name__}: {words.unroll(str(error))}"
        return CheckResult(what=what, ok=False, said=said, exit_code=exit_code)


def _versions() -> CheckResult:
    said = f"{sweep.__version__} on Python {platform.python_version()}, {platform.platform()}"
    return CheckResult(what="sweep", ok=True, said=said)


def _extras() -> Iterator[CheckResult]:
    for package, extra in _OPTIONAL.items():
        try:
            yield CheckResult(what=package, ok=True, said=version(package))
        except PackageNotFoundError:
            said = f"not installed; install the extra '{extra}'"
            yield CheckResult(what=package, ok=None, said=said)


_TORCH = """
import json, torch
print(json.dumps([torch.__version__, torch.version.cuda, torch.cuda.device_count()]))
"""


def _ask_torch() -> str:
    if find_spec("torch") is None:
        return "not installed: this machine can show studies but not train (extra 'train')"
    # In a separate process: loading CUDA here would take memory on every GPU.
    answer = subprocess.run(
        [sys.executable, "-c", _TORCH], capture_output=True, text=True, timeout=_TORCH_SECONDS
    )
    if answer.returncode:
        raise SweepError(f"cannot be loaded: {answer.stderr.strip().splitlines()[-1:]}")
    torch, cuda, n_gpus = json.loads(answer.stdout)
    return f"{torch}, {f'CUDA {cuda}' if cuda else 'no CUDA'}, {words.count(n_gpus, 'GPU')} usable"


def _gpus(wanted: str | None) -> Iterator[CheckResult]:
    yield _cards()
    if wanted is not None:
        yield _check(f"--gpus {wanted}", lambda: _choose(wanted), DeviceError.exit_code)


def _fused_trainer() -> Iterator[CheckResult]:
    """Check whether each GPU can use the fused trainer, by starting a worker on it."""
    for device in visible_gpus():
        yield _fused_trainer_on(device)


def _fused_trainer_on(device: str) -> CheckResult:
    what = f"fused trainer on GPU {device}"
    try:
        ready = introduction(device)
    except SweepError as error:
        return CheckResult(what=what, ok=False, said=str(error), exit_code=error.exit_code)
    compiler = f"Triton {ready.triton_version}, ptxas {ready.ptxas_version or 'unknown'}"
    if (reason := ready.fallback_reason) is None:
        said = f"{ready.device_name} passes its self-check; {compiler}"
        return CheckResult(what=what, ok=True, said=said)
    # One line: the fused trainer does not run. Several: it runs, and computes wrong numbers.
    is_wrong = "\n" in reason
    return CheckResult(
        what=what,
        ok=False if is_wrong else None,
        said=f"{reason}\nStudies train with the reference trainer there.",
        exit_code=DeviceError.exit_code if is_wrong else 0,
    )


def _cards() -> CheckResult:
    try:
        found = cards()
    except DeviceError as error:
        return CheckResult(what="GPUs", ok=False, said=str(error), exit_code=error.exit_code)
    if not found:
        return CheckResult(what="GPUs", ok=None, said="none found (no NVIDIA driver, or no card)")
    return CheckResult(what="GPUs", ok=True, said="\n".join(map(_card, found)))


def _card(gpu: Gpu) -> str:
    busy = "" if gpu.utilisation is None else f", {gpu.utilisation:.0%} busy"
    return f"{gpu.index}: {gpu.name}{_in_use(gpu)}{busy}, driver {gpu.driver}"


def _in_use(gpu: Gpu) -> str:
    used, total = gpu.memory_used_bytes, gpu.memory_total_bytes
    if used is None or total is None:
        return ""
    return f", {formats.memory(used, total)} in use"


def _choose(wanted: str) -> str:
    return f"{', '.join(choose_devices(wanted, 1))}: there"


def _database(storage: str | None) -> CheckResult:
    asked = storage is not None or bool(os.environ.get("SWEEP_STORAGE"))
    path = None if asked else sqlite_path(storage_url(None))
    if path is not None and not path.exists():
        return CheckResult(
            what="database", ok=None, said=f"no {path} yet; `sweep start` creates it"
        )
    return _check("database", lambda: _open(storage), StoreError.exit_code)


def _open(storage: str | None) -> str:
    engine = open_store(storage)
    found = DatabaseHandle(engine).study_list()
    if found.unreadable:
        raise StoreError("; ".join(study.reason for study in found.unreadable))
    return f"{format_url(engine.url)} has the right schema, studies: {len(found.studies)}"


def _data(wanted: str | None) -> Iterator[CheckResult]:
    for status in datasets.list_known():
        absent = f"absent; `sweep data prepare {quote(status.name)}` fetches it"
        said = f"{status.state}, in {status.path}" if status.path else absent
        yield CheckResult(what=f"data {status.name}", ok=True if status.path else None, said=said)
    names = [Dataset.FASHION_MNIST_MINI.value] if wanted is None else [wanted]
    for name in names:
        yield _check(f"reading {name}", partial(_load, name), DataError.exit_code)


def _load(name: str) -> str:
    if datasets.find(name) is None and name in list(Dataset):
        raise DataError(f"not on this machine. `sweep data prepare {quote(name)}` fetches it.")
    images = datasets.load(name)
    n_train, n_test = len(images.train_images), len(images.test_images)
    return f"{n_train:,} + {n_test:,} images of {images.shape}, all valid"


def _room(storage: str | None) -> Iterator[CheckResult]:
    folders = {"data": datasets.cache_folder()}
    with suppress(StoreError):  # reported already
        if path := sqlite_path(storage_url(storage)):
            folders["the database"] = path.absolute().parent
    for purpose, folder in folders.items():
        yield _check(f"room for {purpose}", partial(_room_in, folder), NoRoomError.exit_code)


def _room_in(folder: Path) -> str:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < _ROOM_BYTES:
        raise NoRoomError(f"{free / 1e9:.2f} GB free in {there}: less than 1 GB.")
    if not os.access(there, os.W_OK):
        raise NoRoomError(f"{there}: no permission to write.")
    return f"{free / 1e9:,.0f} GB free in {there}"
