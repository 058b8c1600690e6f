"""Run a worker: setup, device, data, trainer, trials."""

import platform
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from sweep import datasets, nvml
from sweep.enums import Trainer
from sweep.errors import DeviceError, FusedUnavailableError
from sweep.messages import Ready, TrialSpec, WorkerSetup
from sweep.trainer.cpu import CpuTrainer
from sweep.trainer.data import DeviceData
from sweep.trainer.reference import ReferenceTrainer
from sweep.trainer.spectrum import with_spectrum
from sweep.trainer.training import Training
from sweep.worker.runner import Orders, Send
from sweep.worker.session import Session, SessionTrainer
from sweep.worker.single_trials import SingleTrials

if TYPE_CHECKING:
    from sweep.worker.fused import FusedWorker

#: Requirement of the fused trainer: it was never tested with the Triton of older versions.
LEAST_TORCH = (2, 11)
#: Compute capability that Triton compiles for, and the first with tf32 products.
LEAST_CAPABILITY = (8, 0)

INSTEAD = "`--trainer reference` trains without it, one trial at a time."


def work(device_name: str, setup: WorkerSetup, orders: Orders, send: Send) -> None:
    """Train all trials that arrive, with the trainer that the setup names.

    ``AUTO`` is the fused trainer if this device can use it, else the reference trainer. Raises
    DataError, DeviceError, and FusedUnavailableError if the fused trainer was requested by name or
    fails after it has begun training.
    """
    try:
        _work(setup, device_name, orders, send)
    except FusedUnavailableError as error:
        if setup.trainer is not Trainer.FUSED:
            raise
        raise FusedUnavailableError(f"{error}\n{INSTEAD}") from error


def _work(setup: WorkerSetup, device_name: str, orders: Orders, send: Send) -> None:
    device = open_device(device_name)
    if setup.trainer is Trainer.FUSED:
        require_fused(device)  # before the data are loaded
    if setup.n_threads is not None:
        torch.set_num_threads(setup.n_threads)
    images = datasets.load(setup.dataset)
    data = with_spectrum(DeviceData.load(images, setup, device), setup.spectrum)
    fused, fallback_reason = _open_fused(data, setup, device)
    kind = _kind(setup, fused)
    trainer: SessionTrainer = (
        SingleTrials(_start(kind, data, device)) if fused is None else fused.populations()
    )
    send(
        Ready(
            device=device_name,
            device_name=maker_name(device),
            torch_version=torch.__version__,
            data=images.info,
            originals_png=data.originals_png,
            trainer=kind,
            fallback_reason=fallback_reason,
            capacity=trainer.capacity(),
            driver_version=nvml.driver_version() if device.type == "cuda" else None,
            triton_version=None if fused is None else fused.triton_version,
            ptxas_version=None if fused is None else fused.ptxas_version,
            spectrum=None if data.spectrum is None else data.spectrum.bands,
        )
    )
    Session(trainer, orders, send, pruning=setup.pruning, device=device).run()


def _start(
    kind: Trainer, data: DeviceData, device: torch.device
) -> Callable[[TrialSpec], Training]:
    """Return the function that starts a trial with a trainer of single trials."""
    trainer = CpuTrainer(data) if kind is Trainer.CPU else ReferenceTrainer(data, device)
    return trainer.start


def _kind(setup: WorkerSetup, fused: "FusedWorker | None") -> Trainer:
    """Return the trainer that the worker chose after the self-check."""
    if fused is not None:
        return Trainer.FUSED
    return Trainer.REFERENCE if setup.trainer is Trainer.AUTO else setup.trainer


def _open_fused(
    data: DeviceData, setup: WorkerSetup, device: torch.device
) -> "tuple[FusedWorker | None, str | None]":
    """Prepare the fused trainer if it is wanted and usable; otherwise return the reason."""
    if setup.trainer not in (Trainer.AUTO, Trainer.FUSED):
        return None, None
    try:
        require_fused(device)
        from sweep.worker.fused import FusedWorker  # loads Triton

        return FusedWorker(data, setup, device), None
    except FusedUnavailableError as error:
        if setup.trainer is Trainer.FUSED or not _still_works(device):
            raise
        return None, str(error)


def _still_works(device: torch.device) -> bool:
    """Return whether CUDA answers: after an illegal access, it does not until the process ends."""
    if device.type == "cuda":
        try:
            torch.cuda.synchronize(device)
        except RuntimeError:
            return False
    return True


def open_device(name: str) -> torch.device:
    """Open the device of that name. Raises DeviceError if torch does not find it."""
    if name != "cpu" and not torch.cuda.is_available():
        raise DeviceError(
            f"no GPU that torch {torch.__version__} can use. `--gpus cpu` trains on the CPU, "
            "`sweep doctor` shows the devices."
        )
    return torch.device("cpu" if name == "cpu" else "cuda:0")


def require_fused(device: torch.device) -> None:
    """Raise FusedUnavailableError, with the reason, if the fused trainer cannot even be tried.

    A CPU passes: the coordinator rejects it, except for tests in Triton's interpreter.
    """
    if device.type == "cuda":
        _require_versions(device)
    try:
        from sweep.trainer.fused import is_interpreted
    except (ImportError, OSError, AttributeError) as error:  # the last: an incompatible Triton
        raise FusedUnavailableError(
            f"the fused trainer needs Triton, which cannot be loaded: {error}"
        ) from error
    if device.type == "cuda" and is_interpreted():
        raise FusedUnavailableError(
            "the fused trainer would run in Triton's interpreter: TRITON_INTERPRET is set"
        )


def _require_versions(device: torch.device) -> None:
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < LEAST_TORCH:
        raise FusedUnavailableError(
            f"the fused trainer needs torch {_join_dots(LEAST_TORCH)} or newer; this is "
            f"{torch.__version__}"
        )
    capability = torch.cuda.get_device_capability(device)
    if capability < LEAST_CAPABILITY:
        raise FusedUnavailableError(
            f"the fused trainer needs compute capability {_join_dots(LEAST_CAPABILITY)} or higher; "
            f"{maker_name(device)} has {_join_dots(capability)}"
        )


def _join_dots(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def maker_name(device: torch.device) -> str:
    """Return the maker's name of the device."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()
