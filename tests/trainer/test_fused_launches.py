"""Kernels that are launched alone, with arguments bound by name."""

from typing import Any

import pytest

from sweep.trainer.fused.kernels import KERNELS
from sweep.trainer.fused.launches import launch_kernel, parameters
from tests.support.fused_factories import make_fused

NAMES = [kernel.__name__ for kernel in KERNELS]


class Recorded:
    """A launch that is written down."""

    def __call__(
        self, kernel: Any, grid: tuple[int, ...], *arguments: object, **sizes: object
    ) -> None:
        self.kernel, self.grid, self.sizes = kernel, grid, sizes
        names = [name for name in kernel.arg_names if name not in sizes]
        self.arguments = dict(zip(names, arguments, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_a_kernel_is_an_array_or_a_size_of_the_population(name: str) -> None:
    fused, recorded = make_fused(), Recorded()
    population = fused._population
    assert fused.data.spectrum is not None
    arguments = {
        **population.training_arguments(),
        **population.measuring_arguments(fused._test),
        "directions": fused.data.spectrum.directions,
    }
    launch_kernel(name, population.shape, arguments, recorded)
    assert recorded.kernel.__name__ == name
    assert {*recorded.arguments, *recorded.sizes} >= set(parameters(name))
    assert all(recorded.arguments[key] is arguments[key] for key in recorded.arguments)


def test_training_and_measuring_bind_their_own_orders_and_positions() -> None:
    fused, recorded = make_fused(), Recorded()
    population, arrays = fused._population, fused._population.arrays
    launch_kernel("encode", population.shape, population.training_arguments(), recorded)
    assert recorded.arguments["order"] is arrays.order
    assert recorded.arguments["position"] is arrays.position
    launch_kernel("encode", population.shape, population.measuring_arguments(fused._test), recorded)
    assert recorded.arguments["order"] is arrays.in_line
    assert recorded.arguments["position"] is arrays.page
    assert recorded.arguments["images"] is fused.data.test


def test_a_missing_array_is_named() -> None:
    population = make_fused()._population
    arguments = population.training_arguments()
    del arguments["grad_logits"], arguments["z"]
    with pytest.raises(TypeError, match="kernel 'decode' needs z, grad_logits, which"):
        launch_kernel("decode", population.shape, arguments)
