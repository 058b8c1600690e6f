"""What fits into a population, and who gets which part of it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sweep.trainer.fused import PopulationSize, Shape, population_size
from sweep.trainer.fused.device_time import DeviceTimer
from sweep.trainer.fused.graphs import repeat
from sweep.trainer.fused.layout import Layout, SlotPlace
from tests.support.fused_factories import BLOCKS, FUSED, make_fused, small_data

CPU = torch.device("cpu")
MNIST = Shape(n_train=55_000, n_inputs=784, batch_size=128)


def bytes_of(rows: int, slots: int) -> int:
    """What such a population's tensors take."""
    population = make_fused(rows=rows, slots=slots, config=BLOCKS)._population
    schedules = population.branches[0].arrays, population.measuring.arrays
    tensors = [t for arrays in (population.arrays.by_name, *schedules) for t in arrays.values()]
    tensors.append(population.train)
    return sum(tensor.nbytes for tensor in tensors)


def test_bytes_of_a_row_and_of_a_slot_are_what_the_tensors_take() -> None:
    data = small_data()
    shape = Shape(
        n_train=len(data.train),
        n_inputs=data.n_inputs,
        batch_size=FUSED.batch_size,
        block_outputs=BLOCKS.outputs,
    )
    # Counted apart: a tile's few numbers (80 bytes), and a slot's tables (below 1024).
    assert bytes_of(rows=160, slots=2) - bytes_of(rows=0, slots=2) == pytest.approx(
        160 * shape.row_bytes, abs=10 * 80
    )
    per_slot = (bytes_of(rows=0, slots=12) - bytes_of(rows=0, slots=2)) / 10
    assert 0 <= shape.slot_bytes - per_slot < 1024


def test_a_population_fills_nine_tenths_of_the_free_memory() -> None:
    size = population_size(80 * 10**9, MNIST, rows_per_slot=200, tile_units=16)
    one_more = PopulationSize(slots=size.slots + 1, rows=size.rows + 208)
    assert size.rows == 208 * size.slots
    assert size.bytes(MNIST) <= 72 * 10**9 < one_more.bytes(MNIST)


def test_without_room_for_one_slot_nothing_fits() -> None:
    assert population_size(10**6, MNIST, rows_per_slot=200) == PopulationSize(slots=0, rows=0)


def test_a_steps_traffic_is_the_floor_that_was_measured_against() -> None:
    # design.md: 40.2 kB a hidden unit, and 1.2 MB a slot.
    assert MNIST.step_bytes(1) - MNIST.step_bytes(0) == 40_192
    assert MNIST.step_bytes(0) == pytest.approx(1.22e6, rel=0.02)


@given(st.lists(st.tuples(st.integers(1, 70), st.integers(1, 3), st.booleans()), max_size=60))
def test_places_never_overlap_and_nothing_is_lost(visits: list[tuple[int, int, bool]]) -> None:
    layout = Layout(n_slots=5, n_tiles=8, tile_units=16)
    taken: list[tuple[SlotPlace, ...]] = []
    for hidden_width, n, leaves in visits:
        if leaves and taken:
            layout.give_back(taken.pop(len(taken) // 2))
        room = layout.n_free_slots, layout.n_free_tiles
        places = layout.take(hidden_width, n)
        assert (places is not None) == (n <= room[0] and n * -(-hidden_width // 16) <= room[1])
        taken += [places] if places else []
        held = [place for group in taken for place in group]
        tiles = [tile for place in held for tile in place.tiles]
        assert len({place.slot for place in held}) == len(held) == 5 - layout.n_free_slots
        assert len(set(tiles)) == len(tiles) == 8 - layout.n_free_tiles


@pytest.mark.parametrize("n", [0, 5, 16, 37])
def test_steps_in_chains_are_as_many_as_asked_for(n: int) -> None:
    done: list[int] = []
    repeat([lambda: done.append(1)], CPU, DeviceTimer(CPU))(n)
    assert len(done) == n
