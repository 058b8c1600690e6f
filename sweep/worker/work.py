"""A worker's life: its setup, its device, its data, its trials."""

import platform
from collections.abc import Callable
from queue import SimpleQueue

import torch

from sweep import datasets, nvml
from sweep.errors import DeviceError
from sweep.names import Trainer
from sweep.trainer.cpu import CpuTrainer
from sweep.trainer.data import DeviceData
from sweep.trainer.reference import ReferenceTrainer
from sweep.trial import Event, Order, Ready, Room, WorkerSetup
from sweep.worker.session import Session

#: The fused trainer's: older ones come with a Triton that it was never run with.
LEAST_TORCH = (2, 11)

Inbox = SimpleQueue[Order]
Send = Callable[[Event], None]


def work(device_name: str, inbox: Inbox, send: Send) -> None:
    """Train whatever is handed over. Raises DeviceError or DataError."""
    setup = inbox.get()
    assert isinstance(setup, WorkerSetup)
    device = open_device(device_name)
    if setup.trainer is Trainer.FUSED:
        check_fused(device)
    if setup.n_threads is not None:
        torch.set_num_threads(setup.n_threads)
    images = datasets.load(setup.dataset)
    data = DeviceData.load(images, setup, device)

    def ready(room: Room) -> None:
        send(
            Ready(
                device=device_name,
                device_name=maker_name(device),
                torch_version=torch.__version__,
                data_sha256=images.sha256,
                originals_png=data.originals_png,
                room=room,
                driver_version=nvml.driver_version() if device.type == "cuda" else None,
            )
        )

    if setup.trainer is Trainer.FUSED:
        from sweep.worker.fused import work_fused  # loads Triton

        work_fused(data, setup, device, inbox, send, ready)
    else:
        ready(Room())
        is_cpus = setup.trainer is Trainer.CPU
        trainer = CpuTrainer(data) if is_cpus else ReferenceTrainer(data, device)
        Session(trainer, inbox, send, pruning=setup.pruning, device=device).run()


def open_device(name: str) -> torch.device:
    """The device of that name. Raises DeviceError where torch does not see it."""
    if name != "cpu" and not torch.cuda.is_available():
        raise DeviceError(
            f"no GPU that torch {torch.__version__} can use. `--gpus cpu` trains on the CPU, "
            "`sweep doctor` shows what is there."
        )
    return torch.device("cpu" if name == "cpu" else "cuda:0")


def check_fused(device: torch.device) -> None:
    """Raises DeviceError where the fused trainer cannot run; a CPU is the coordinator's affair."""
    instead = "`--trainer reference` trains without it, one trial at a time."
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if device.type == "cuda" and version < LEAST_TORCH:
        least = ".".join(map(str, LEAST_TORCH))
        raise DeviceError(
            f"the fused trainer needs torch {least} or newer; this is {torch.__version__}. "
            f"{instead}"
        )
    try:
        import sweep.trainer.fused  # noqa: F401  loads Triton
    except ImportError as error:
        raise DeviceError(
            f"the fused trainer needs Triton, which cannot be loaded: {error}. {instead}"
        ) from error


def maker_name(device: torch.device) -> str:
    """What the device is called by its maker."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()
