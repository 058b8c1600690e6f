"""Define the options of a run's workers for all commands that train: see ``takes_run_options``."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweep.cli import logs
from sweep.cli.logs import LogFormat
from sweep.enums import LauncherKind, Trainer
from sweep.errors import UsageError

if TYPE_CHECKING:
    from sweep.launch.resources import RunOptions

MAX_WORKERS = 1024

Gpus = Annotated[
    str | None,
    typer.Option(
        metavar="all|cpu|0,1",
        help="Which devices to train on.",
        show_default="the study file's, else all GPUs, else cpu",
    ),
]
PerGpu = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=256,
        help="Worker processes on each GPU.",
        show_default="the study file's, else 1",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MAX_WORKERS,
        help="Worker processes on the CPU; means --gpus cpu.",
        show_default="one per core, limited by trials and memory",
    ),
]
TrainerOption = Annotated[
    Trainer,
    typer.Option(
        "--trainer",
        help="Train one trial at a time (cpu, on the CPU; reference, slowly, on any device), or a "
        "population of them as one program on a GPU (fused). auto is cpu on the CPU; on a GPU, "
        "fused if it passes the self-check and reference otherwise.",
    ),
]
PopulationOption = Annotated[
    int | None,
    typer.Option(
        "--population",
        metavar="N",
        min=1,
        max=100_000,
        help="Maximum slots of a fused population: a trial takes one for each of its seeds.",
        show_default="by the device's memory",
    ),
]
LauncherOption = Annotated[
    LauncherKind,
    typer.Option(
        "--launcher",
        help="Start workers on this machine, or on the hosts of a Ray cluster; there, --gpus is "
        "all, cpu, or a number.",
    ),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="HOST:PORT|auto",
        help="The Ray cluster to join.",
        show_default="RAY_ADDRESS, else a cluster of this machine only",
    ),
]
LogFormatOption = Annotated[
    LogFormat,
    typer.Option(
        "--log-format",
        help="Messages on stderr as text, or as one JSON object per line with study, trial, "
        "attempt and worker.",
    ),
]


def run_options(
    *,
    gpus: Gpus = None,
    per_gpu: PerGpu = None,
    workers: Workers = None,
    trainer: TrainerOption = Trainer.AUTO,
    population: PopulationOption = None,
    launcher: LauncherOption = LauncherKind.LOCAL,
    ray_address: RayAddressOption = None,
) -> "RunOptions":
    """Check the options of a run's workers together.

    Raises UsageError if they contradict each other.
    """
    from sweep.launch.resources import RunOptions

    if workers is not None and not 1 <= workers <= MAX_WORKERS:
        raise UsageError(f"--workers {workers}: give a number from 1 to {MAX_WORKERS}.")
    if workers is not None and gpus not in (None, "cpu"):
        raise UsageError(f"--workers is for processes on the CPU, but --gpus is {gpus!r}.")
    if ray_address is not None and launcher is not LauncherKind.RAY:
        raise UsageError(f"--ray-address {ray_address} needs --launcher ray.")
    return RunOptions(
        gpus="cpu" if workers is not None else gpus,
        per_gpu=per_gpu,
        cpu_workers=workers,
        trainer=trainer,
        population=population,
        launcher=launcher,
        ray_address=ray_address,
    )


def takes_run_options(command: Callable[..., None]) -> Callable[..., None]:
    """Replace the parameter ``options`` by those of ``run_options`` and ``--log-format``.

    Typer sees the shared options as the command's own; the command receives the resulting
    RunOptions, and messages have their format before any error can occur.
    """
    shared = inspect.signature(run_options).parameters

    @wraps(command)
    def with_run_options(*, log_format: LogFormat, **values: Any) -> None:
        logs.use(log_format)
        options = run_options(**{name: values.pop(name) for name in shared})
        command(**values, options=options)

    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        parameters += [*shared.values(), _LOG_FORMAT] if name == "options" else [parameter]
    with_run_options.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_run_options.__annotations__ = {of.name: of.annotation for of in parameters}
    return with_run_options


_LOG_FORMAT = inspect.Parameter(
    "log_format",
    inspect.Parameter.KEYWORD_ONLY,
    default=LogFormat.TEXT,
    annotation=LogFormatOption,
)
