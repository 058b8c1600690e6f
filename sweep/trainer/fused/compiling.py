"""Compile all kernels in parallel before the first is needed.

One after the other they take a GPU worker several seconds if Triton's cache is empty.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import torch
import triton
from torch import Tensor

from sweep.trainer.fused.kernel_config import PRECISIONS, KernelConfig
from sweep.trainer.fused.launches import Launch
from sweep.trainer.fused.layout import Layout
from sweep.trainer.fused.population import DeviceImages, Population


def compile_kernels(
    pixels: Tensor,  # (n, D) uint8
    *,
    batch_size: int,
    precisions: Iterable[str],
    config: KernelConfig | None = None,
) -> None:
    """Compile what populations of images like these launch, with a thread per processor.

    Later launches in this process find them compiled. Raises what Triton raises for a kernel that
    it cannot compile.
    """
    with (
        ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="compile") as pool,
        triton.AsyncCompileMode(pool),
    ):
        for precision in precisions:
            launch_each(
                compile_only, pixels, batch_size=batch_size, precision=precision, config=config
            )


def launch_each(
    launch: Launch,
    pixels: Tensor,
    *,
    batch_size: int,
    precision: str,
    config: KernelConfig | None = None,
) -> None:
    """Call ``launch`` with every kernel, with arguments as a real population has them."""
    config = config or PRECISIONS[precision]
    population = Population(
        Layout(n_slots=1, n_tiles=1, tile_units=config.units),
        pixels,
        batch_size=batch_size,
        n_evaluated=len(pixels),
        n_classes=1,
        config=config,
        precision=precision,
        launch=launch,
    )
    labels = torch.zeros(len(pixels), dtype=torch.int32, device=pixels.device)
    images = DeviceImages(pixels, labels, 1)
    population.start_epoch()
    population.train_step()
    population.train_chain(1)
    measure_step = partial(population.measure_step, images, watch=True, split=True)
    population.measure(images, measure_step, summarise=True)
    directions = torch.zeros((pixels.shape[1],) * 2, device=pixels.device)
    population.project(images, partial(population.project_step, images, directions))


def compile_only(kernel: Any, grid: tuple[int, ...], *args: object, **sizes: object) -> None:
    """Compile a kernel without launching it."""
    kernel.warmup(*args, grid=grid, **sizes)
