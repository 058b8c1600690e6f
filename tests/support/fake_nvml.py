"""A module ``pynvml`` with cards of our choosing, whose errors are the real module's by name."""

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

ERRORS = (
    *("LibraryNotFound", "DriverNotLoaded", "GpuIsLost"),
    *("NotSupported", "NoPermission", "NotFound"),
)
#: What asks a card, and a sound card's answer.
ANSWERS: dict[str, Any] = {
    "nvmlDeviceGetName": "NVIDIA H100 80GB HBM3",
    "nvmlDeviceGetUUID": "GPU-5c89852c",
    "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=4 * 10**9, total=80 * 10**9),
    "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=37, memory=12),
}


def fake_nvml(n_cards: int = 1, **failing: str) -> Any:
    """``failing`` maps a function to the error that it raises, such as ``GpuIsLost``."""
    module: Any = ModuleType("pynvml")
    module.NVMLError = type("NVMLError", (Exception,), {})
    for name in ERRORS:
        error = type(f"NVMLError_{name}", (module.NVMLError,), {})
        setattr(module, error.__name__, error)
    module.n_open = 0

    def count(step: int) -> None:
        module.n_open += step

    def by_uuid(uuid: str) -> int:
        if uuid != ANSWERS["nvmlDeviceGetUUID"]:
            raise module.NVMLError_NotFound("NVML: NotFound")
        return 0

    functions: dict[str, Callable[..., Any]] = {
        "nvmlInit": lambda: count(1),
        "nvmlShutdown": lambda: count(-1),
        "nvmlSystemGetDriverVersion": lambda: "580.82.07",
        "nvmlDeviceGetCount": lambda: n_cards,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetHandleByUUID": by_uuid,
        **{name: lambda _handle, answer=answer: answer for name, answer in ANSWERS.items()},
    }

    def raising(error: str) -> Callable[..., Any]:
        def fail(*_: Any) -> None:
            raise getattr(module, f"NVMLError_{error}")(f"NVML: {error}")

        return fail

    for name, function in functions.items():
        setattr(module, name, raising(failing[name]) if name in failing else function)
    return module
