"""The fused trainer's host: what it draws in threads, copies, and never waits for."""

import threading
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

from sweep.enums import Optimizer
from sweep.messages import TrialDiverged
from sweep.trainer.fused import FusedTrainer, arrays, draws
from sweep.trainer.fused.draws import Draws
from sweep.trainer.randomness import data_order
from tests.support.fused_factories import FUSED, fused_spec, make_fused, same_bits, train_all

META = torch.device("meta")
CPU = torch.device("cpu")


def take_the_device_away(fused: FusedTrainer) -> None:
    """Whatever reads from the device from now on fails."""
    del fused._population
    fused.data = fused.data.to(META)


def test_a_result_is_made_from_what_was_copied_to_the_host() -> None:
    # Reading the device would wait for the epoch that it works on.
    fused = make_fused()
    assert fused.admit(fused_spec(1, keep_below=1.0))
    train_all(fused, 2)
    expected = fused.result(1)
    assert expected.errors_png and expected.reconstructions_png and expected.weights
    take_the_device_away(fused)
    assert fused.result(1) == expected
    assert all(tensor.isfinite().all() for tensor in fused.weights(1)[0])


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
def test_weights_that_diverged_are_told_from_the_report_while_the_next_epoch_is_launched() -> None:
    exploding = replace(
        FUSED, optimizer=Optimizer.SGD, learning_rate=3e38, batch_size=100, weight_decay=3e38
    )
    fused = make_fused(batch_size=100)
    assert fused.admit(fused_spec(1, exploding))
    first = fused.launch_epoch()
    fused.launch_epoch()
    take_the_device_away(fused)
    (event,) = fused.collect(first)
    assert isinstance(event, TrialDiverged)
    assert event.reason == "encoder.weight is no longer finite in epoch 1"


class Counted(TorchFunctionMode):
    """Counts calls of torch's functions, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        self.calls[func.__name__] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("n_trials", [1, 4])
def test_new_slots_are_written_with_one_copy_an_array(n_trials: int) -> None:
    fused = make_fused()
    for number in range(n_trials):
        assert fused.admit(fused_spec(number))
    trials = tuple(fused._trials.values())
    for trial in trials:
        for weights in trial.first_weights:
            weights.result()
        for order in trial.orders:
            order.result()
    with Counted() as counted:
        fused._write_new(trials)
    # Three tables; W1, W2 and their biases.
    assert counted.calls["index_copy_"] == 3 + 4
    # Moments, and the steps that were done.
    assert counted.calls["index_fill_"] == 2 * 4 + 1


def test_a_turns_orders_leave_in_one_copy() -> None:
    fused = make_fused()
    for number in (1, 2, 3):
        assert fused.admit(fused_spec(number))
    order = fused._population.arrays.order
    for trial in fused._trials.values():
        trial.orders[0].result()
    with Counted() as counted:
        fused._draws.send_orders([0, 1, 2], order)
    assert counted.calls["copy_"] == 1
    for slot, seed in enumerate((1, 2, 3)):
        assert torch.equal(order[slot].cpu().long(), data_order(seed, 1, order.shape[1]))


def send_drawing(drawing: Draws, n_slots: int, n_train: int) -> torch.Tensor:
    target = torch.zeros((n_slots, n_train), dtype=torch.int32)
    drawing.send_orders(range(n_slots), target)
    return target


def test_the_order_of_a_slots_new_trial_is_written_after_that_of_one_that_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Both go to the same row, and the threads may overtake each other.
    may_end = threading.Event()

    def slow_for_the_first(seed: int, epoch: int, n: int) -> torch.Tensor:
        if seed == 1:
            assert may_end.wait(10)
        return data_order(seed, epoch, n)

    monkeypatch.setattr(draws, "data_order", slow_for_the_first)
    drawing = Draws(1, 50, 20, CPU)
    drawing.start_orders([0], [1], 1)
    (second,) = drawing.start_orders([0], [2], 1)
    may_end.set()
    second.result(10)
    assert torch.equal(send_drawing(drawing, 1, 50)[0].long(), data_order(2, 1, 50))
    drawing.close()


def test_the_next_turns_orders_leave_those_on_their_way_alone() -> None:
    drawing = Draws(1, 50, 20, CPU)
    drawing.start_orders([0], [1], 1)[0].result()
    on_their_way = drawing._buffers[0]._orders
    first = send_drawing(drawing, 1, 50)
    drawing.start_orders([0], [1], 2)[0].result()
    assert torch.equal(on_their_way, first)
    assert torch.equal(send_drawing(drawing, 1, 50)[0].long(), data_order(1, 2, 50))
    drawing.close()


def test_a_buffer_is_written_again_only_after_its_copy() -> None:
    drawing = Draws(1, 50, 20, CPU)
    copied = threading.Event()

    class Copy:
        def synchronize(self) -> None:
            assert copied.wait(10)

    buffer = drawing._buffers[0]
    buffer._sent = Copy()  # type: ignore[assignment]
    buffer._orders.fill_(-1)
    (drawn,) = drawing.start_orders([0], [1], 1)
    time.sleep(0.1)
    assert (buffer._orders == -1).all()
    copied.set()
    drawn.result(10)
    assert torch.equal(buffer._orders[0].long(), data_order(1, 1, 50))
    drawing.close()


def test_a_trial_that_stops_before_its_first_epoch_keeps_its_first_weights() -> None:
    fused, trained = make_fused(), make_fused()
    assert fused.admit(fused_spec(1)) and trained.admit(fused_spec(1))
    before = fused.weights(1)
    fused.stop(1)
    assert all(torch.equal(a, b) for a, b in zip(fused.weights(1)[0], before[0], strict=True))
    trained.train_epoch()
    assert not torch.equal(trained.weights(1)[0].encoder_weight, before[0].encoder_weight)


@pytest.mark.parametrize(("rows", "slots"), [(48, 3), (16, 1), (160, 7)])
def test_every_array_of_a_population_begins_at_a_multiple_of_16_bytes(
    rows: int, slots: int
) -> None:
    # Triton compiles a kernel again for a pointer that does not.
    population = make_fused(rows=rows, slots=slots)._population
    schedules = (one.arrays for one in (*population.branches, population.measuring))
    for named in (population.arrays.by_name, *schedules):
        assert [name for name, one in named.items() if one.data_ptr() % 16] == []


def test_weights_that_go_in_several_copies_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, in_parts = make_fused(), make_fused()
    for number, width in enumerate((9, 20, 7)):
        for fused in (whole, in_parts):
            assert fused.admit(fused_spec(number, replace(FUSED, hidden_width=width)))
    train_all(whole, 2)
    monkeypatch.setattr(arrays, "COPIED_ROWS", 16)
    train_all(in_parts, 2)
    assert all(same_bits(whole, in_parts, number) for number in range(3))


@given(st.lists(st.integers(1, 40), max_size=20))
def test_runs_of_rows_are_as_long_as_they_may_be(n_rows: list[int]) -> None:
    runs = list(arrays._in_runs(n_rows, n_rows))
    assert [n for run in runs for n in run] == n_rows
    assert all(sum(run) <= arrays.COPIED_ROWS or len(run) == 1 for run in runs)
