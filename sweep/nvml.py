"""Read the state of GPUs from NVIDIA's driver, through NVML, without loading CUDA."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sweep.errors import DeviceError


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """A card as its driver sees it, whatever CUDA_VISIBLE_DEVICES says."""

    index: int
    name: str
    #: As `nvidia-smi -L` and CUDA_VISIBLE_DEVICES write it.
    uuid: str
    driver: str
    #: None if the card shares the host's memory, or if the value is not available to this user.
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    #: Share of the last moments (a sixth of a second to a second) in which it computed, 0 to 1;
    #: None if unavailable, as for a card divided by MIG.
    utilisation: float | None


def cards() -> tuple[Gpu, ...] | None:
    """Return all cards of this machine; None if there is no driver.

    Raises DeviceError if there is a driver that does not answer, or that loses a card meanwhile.
    """
    if (nvml := _open()) is None:
        return None
    try:
        handles = map(nvml.nvmlDeviceGetHandleByIndex, range(nvml.nvmlDeviceGetCount()))
        return tuple(_card(nvml, index, handle) for index, handle in enumerate(handles))
    except nvml.NVMLError as error:
        raise DeviceError(_faulty(error)) from error
    finally:
        nvml.nvmlShutdown()


def driver_version() -> str | None:
    """Return the driver's version; None if there is no driver, or it is faulty."""
    try:
        if (nvml := _open()) is None:
            return None
    except (DeviceError, ImportError):
        return None
    try:
        version: str = nvml.nvmlSystemGetDriverVersion()
    except nvml.NVMLError:
        return None
    finally:
        nvml.nvmlShutdown()
    return version


def meter(uuid: str) -> Callable[[], float | None]:
    """Return a function that reads one card's utilisation.

    ``uuid`` is its identifier without the ``GPU-``. Faults of a card are reported by CUDA, so here
    its utilisation is None, as without a driver. NVML stays open meanwhile.
    """
    try:
        nvml = _open()
    except (DeviceError, ImportError):  # a machine that only trains may lack NVML's package
        nvml = None

    def ask() -> float | None:
        if nvml is None:
            return None
        try:
            return _utilisation(nvml, nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}"))
        except nvml.NVMLError:  # such as NotFound for a MIG partition
            return None

    return ask


def _open() -> Any:
    """Open NVML; None if there is no driver. Raises DeviceError if it is faulty."""
    if shutil.which("nvidia-smi") is None:  # it comes with the driver, as NVML's library does
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        return None
    except pynvml.NVMLError as error:
        raise DeviceError(_faulty(error)) from error
    return pynvml


def _card(nvml: Any, index: int, handle: Any) -> Gpu:
    memory = _memory(nvml, handle)
    return Gpu(
        index=index,
        name=nvml.nvmlDeviceGetName(handle),
        uuid=nvml.nvmlDeviceGetUUID(handle),
        driver=nvml.nvmlSystemGetDriverVersion(),
        memory_used_bytes=memory.used if memory else None,
        memory_total_bytes=memory.total if memory else None,
        utilisation=_utilisation(nvml, handle),
    )


def _memory(nvml: Any, handle: Any) -> Any:
    try:
        return nvml.nvmlDeviceGetMemoryInfo(handle)
    except (nvml.NVMLError_NotSupported, nvml.NVMLError_NoPermission):
        return None


def _utilisation(nvml: Any, handle: Any) -> float | None:
    try:
        return float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu) / 100
    except (nvml.NVMLError_NotSupported, nvml.NVMLError_NoPermission):
        return None


def _faulty(error: Exception) -> str:
    return f"NVIDIA's driver reports a fault: {error}. `nvidia-smi` and `dmesg` may tell more."
