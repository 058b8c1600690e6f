"""A worker with populations: who trains when, what is told in one go, and what runs out.

The pretended trainer is for the conversation; the real one, small, shows that they fit together.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from itertools import islice
from queue import SimpleQueue

import pytest
import torch

from sweep.active_trial import ActiveTrial
from sweep.codec import EVENTS, ORDERS
from sweep.config import TrialConfig
from sweep.enums import Loss, Optimizer, Output, StopReason, Trainer
from sweep.errors import DeviceError, FusedUnavailableError
from sweep.messages import (
    Capacity,
    EpochDone,
    EpochsDone,
    EpochsJudged,
    Event,
    JudgedEpoch,
    Order,
    PopulationHalved,
    Shutdown,
    Stop,
    Train,
    TrialDiverged,
    TrialDone,
    TrialFailed,
    TrialRequest,
    TrialSpec,
    TrialStopped,
    WorkerStats,
    WorkloadEstimate,
)
from sweep.trainer.fused import Shape
from sweep.worker.fused import FusedWorker, capacity_for, halve
from sweep.worker.populations import Populations
from sweep.worker.session import Session
from sweep.worker.trial_queue import PATIENCE
from tests.support.fake_populations import FakePopulation, PretendedEpoch
from tests.support.fake_workers import half
from tests.support.fused_factories import FUSED, make_fused, small_data
from tests.support.trainer_factories import analyse_all, make_spec, start

CAPACITY = Capacity(slots=3, hidden_units=30)
TENS = WorkloadEstimate(
    mean_hidden_width=10, max_hidden_width=30, n_seeds=1, max_batch_size=128, n_batch_sizes=1
)


def spec(number: int, width: int = 10, epochs: int = 3, **changes: object) -> TrialSpec:
    config = TrialConfig(hidden_width=width, epochs=epochs)
    return make_spec(config, **({"number": number, "seeds": (number,)} | changes))


class Stage:
    """A session that trains pretended populations; answers come on an epoch of a trial."""

    def __init__(
        self,
        *specs: TrialSpec,
        capacity: Capacity = CAPACITY,
        pruning: bool = False,
        expected: WorkloadEstimate = TENS,
    ) -> None:
        self.inbox: SimpleQueue[Order] = SimpleQueue()
        self.inbox.put(Train(specs=specs))
        self.events: list[Event] = []
        self.answers: dict[tuple[int, int], Order] = {}
        self.judges = False
        self.populations: list[FakePopulation] = []
        self.on_launch: Callable[[FakePopulation], None] = lambda population: None
        self.again: Callable[[TrialSpec], TrialSpec | None] = lambda spec: None
        self.specs = {one.number: one for one in specs}
        trainer = Populations(self.make, capacity=capacity, halve=half, expected=expected)
        self.session = Session(trainer, self.inbox, self.hear, pruning=pruning)

    def make(self, batch_size: int, capacity: Capacity) -> FakePopulation:
        self.populations.append(FakePopulation(batch_size, capacity, self.on_launch))
        return self.populations[-1]

    def hear(self, event: Event) -> None:
        event = EVENTS.decode(EVENTS.encode(event))
        self.events.append(event)
        if isinstance(event, EpochsDone):
            for one in event.epochs:
                self.judge(one)

    def judge(self, one: EpochDone) -> None:
        key = one.number, one.epoch
        if key in self.answers:
            self.inbox.put(self.answers[key])
        elif self.judges:
            self.inbox.put(judge(*key))

    def run(self) -> list[Event]:
        self.inbox.put(Shutdown())
        self.session.run()
        return self.events

    def epochs(self) -> list[list[tuple[int, int]]]:
        """Number and epoch of the trials that were told of together."""
        bundles = [event for event in self.events if isinstance(event, EpochsDone)]
        return [[(one.number, one.epoch) for one in bundle.epochs] for bundle in bundles]

    def ends(self) -> list[tuple[int, str]]:
        ended = (TrialDone, TrialStopped, TrialDiverged, TrialFailed)
        return [(e.number, type(e).__name__) for e in self.events if isinstance(e, ended)]


def judge(number: int, epoch: int) -> EpochsJudged:
    return EpochsJudged(epochs=(JudgedEpoch(number, 1, epoch),))


def prune(number: int, epoch: int) -> Stop:
    """The judgement of an epoch: the trial ends with the next one."""
    return Stop(number=number, attempt=1, reason=StopReason.PRUNED, last_epoch=epoch + 1)


def stop(number: int) -> Stop:
    return Stop(number=number, attempt=1, reason=StopReason.INTERRUPTED)


def test_all_trials_of_a_population_are_told_of_in_one_go() -> None:
    stage = Stage(spec(0), spec(1, epochs=2))
    stage.run()
    assert stage.epochs() == [[(0, 1), (1, 1)], [(0, 2), (1, 2)], [(0, 3)]]
    assert stage.ends() == [(1, "TrialDone"), (0, "TrialDone")]


def test_an_epoch_is_launched_before_the_last_one_is_collected() -> None:
    stage = Stage(spec(0, epochs=2))
    stage.run()
    assert stage.populations[0].log == ["launch", "launch", "collect", "collect"]


def test_a_trial_that_ends_has_its_successor_at_the_next_epoch() -> None:
    stage = Stage(*(spec(n, epochs=1) for n in range(5)))
    stage.run()
    assert stage.epochs() == [[(0, 1), (1, 1), (2, 1)], [(3, 1), (4, 1)]]
    assert stage.populations[0].log[:2] == ["launch", "launch"], "nobody waited for the results"


class DivergingPopulation(FakePopulation):
    """All of whose trials diverge in the epoch that is collected."""

    def collect(self, launched: PretendedEpoch) -> list[EpochDone | TrialDiverged]:
        diverged: list[EpochDone | TrialDiverged] = []
        for one, epoch in launched.trained:
            self.release(one.spec.number)
            number, attempt = one.spec.number, one.spec.attempt
            diverged.append(
                TrialDiverged(number=number, attempt=attempt, epoch=epoch, reason="loss nan")
            )
        return diverged


def test_a_trial_that_diverged_makes_room() -> None:
    populations = Populations(DivergingPopulation, capacity=CAPACITY, halve=half, expected=TENS)
    assert populations.admit(spec(0)) and populations.admit(spec(1))
    assert populations.n_free() == 1
    populations.train_epoch()
    assert len(populations.train_epoch()) == 2
    assert populations.n_free() == 3


def test_the_seeds_of_a_repeated_trial_share_a_population_and_its_epochs() -> None:
    # Three seeds fill all three slots: the other trial enters when they have left, together.
    stage = Stage(spec(0, seeds=(5, 6, 7)), spec(1))
    events = stage.run()
    assert len(stage.populations) == 1
    assert stage.epochs()[:4] == [[(0, 1)], [(0, 2)], [(0, 3)], [(1, 1)]]
    (done,) = [event for event in events if isinstance(event, TrialDone) and event.number == 0]
    assert len(done.results) == 3
    bundles = [event.epochs[0] for event in events if isinstance(event, EpochsDone)]
    assert [len(one.metrics) for one in bundles[:4]] == [3, 3, 3, 1]


def test_a_pruned_trial_ends_one_epoch_after_the_one_that_was_judged() -> None:
    stage = Stage(spec(0, epochs=6), spec(1, epochs=6), pruning=True)
    stage.judges = True
    stage.answers[0, 2] = prune(0, 2)
    stage.run()
    left = next(event for event in stage.events if isinstance(event, TrialStopped))
    assert (left.number, left.epoch) == (0, 3)
    assert stage.ends() == [(0, "TrialStopped"), (1, "TrialDone")]


def test_without_its_verdict_a_population_waits() -> None:
    stage = Stage(spec(0, epochs=4), pruning=True)
    seen: list[int] = []

    def hear(event: Event) -> None:
        if isinstance(event, EpochsDone):
            seen.append(stage.populations[0].log.count("launch"))
            stage.judge(event.epochs[0])

    stage.session._send, stage.judges = hear, True
    stage.run()
    assert seen == [2, 3, 4, 4], "one epoch ahead of what was judged, never more"


def test_a_trial_told_to_leave_finishes_what_was_launched() -> None:
    stage = Stage(spec(0, epochs=9), spec(1))
    stage.answers[0, 2] = stop(0)
    stage.run()
    assert stage.ends() == [(0, "TrialStopped"), (1, "TrialDone")]
    assert max(epoch for bundle in stage.epochs() for number, epoch in bundle if number == 0) == 3


def test_a_trial_told_to_leave_in_its_last_epoch_finishes() -> None:
    stage = Stage(spec(0, epochs=2))
    stage.answers[0, 1] = stop(0)
    stage.run()
    assert stage.ends() == [(0, "TrialDone")]


def test_a_trial_that_waits_leaves_untrained() -> None:
    stage = Stage(spec(0), spec(1, width=30))
    stage.answers[0, 1] = stop(1)
    stage.run()
    left = next(event for event in stage.events if isinstance(event, TrialStopped))
    assert (left.number, left.epoch) == (1, 0)


def test_a_leave_meant_for_an_older_attempt_changes_nothing() -> None:
    stage = Stage(spec(0, attempt=2))
    stage.answers[0, 1] = stop(0)
    stage.run()
    assert stage.ends() == [(0, "TrialDone")]


def test_a_wide_trial_is_passed_by_narrow_ones_but_not_for_ever() -> None:
    narrow = [spec(n, epochs=2) for n in range(2, 40)]
    stage = Stage(spec(0, epochs=1), spec(1, width=30), *narrow)
    stage.run()
    began = [min(number for number, epoch in bundle) for bundle in stage.epochs()]
    turn = next(i for i, bundle in enumerate(stage.epochs()) if (1, 1) in bundle)
    assert stage.epochs()[turn] == [(1, 1)]
    assert PATIENCE <= turn <= PATIENCE + 4, began


def test_every_batch_size_has_its_own_population() -> None:
    config = TrialConfig(hidden_width=10, epochs=2)
    sizes = [128, 64, 128, 64, 128]
    specs = [spec(n) for n in range(5)]
    specs = [
        replace(s, config=replace(config, batch_size=b)) for s, b in zip(specs, sizes, strict=True)
    ]
    both = Stage(*specs, capacity=replace(CAPACITY, n_populations=2))
    both.run()
    assert [p.batch_size for p in both.populations] == [128, 64]
    assert both.epochs()[0] == [(0, 1), (2, 1), (4, 1), (1, 1), (3, 1)]
    in_turn = Stage(*specs)
    in_turn.run()
    assert sorted(in_turn.ends()) == sorted(both.ends()) == [(n, "TrialDone") for n in range(5)]
    assert [p.closed for p in in_turn.populations] == [True, False]


def test_a_trial_that_never_fits_fails_alone() -> None:
    stage = Stage(spec(0, width=31), spec(1))
    stage.run()
    assert stage.ends() == [(0, "TrialFailed"), (1, "TrialDone")]


def run_out_once(stage: Stage) -> None:
    """The memory runs out in the second epoch, once."""
    failed: list[int] = []

    def on_launch(population: FakePopulation) -> None:
        if not failed and population.log.count("launch") == 2:
            failed.append(1)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    stage.on_launch = on_launch


def test_out_of_memory_the_population_is_halved_and_its_trials_are_put_back() -> None:
    stage = Stage(*(spec(n) for n in range(4)), capacity=Capacity(slots=3, hidden_units=40))
    run_out_once(stage)
    stage.run()
    told = next(event for event in stage.events if isinstance(event, PopulationHalved))
    assert (told.before, told.capacity) == (
        Capacity(slots=3, hidden_units=40),
        Capacity(slots=1, hidden_units=20),
    )
    assert told.put_back == ((0, 1), (1, 1), (2, 1))
    assert "out of memory" in told.reason
    assert stage.ends() == [(3, "TrialDone")], "the one that waited goes on"
    assert [p.closed for p in stage.populations] == [True, False]


def test_out_of_memory_with_nothing_to_halve_trials_fail_with_the_reason() -> None:
    stage = Stage(spec(0), spec(1), capacity=Capacity(slots=1, hidden_units=20))
    run_out_once(stage)
    stage.run()
    assert stage.ends() == [(0, "TrialFailed"), (1, "TrialDone")]


SMALLEST = Capacity(slots=1, hidden_units=20)


def test_in_the_smallest_population_a_trial_that_cannot_begin_fails_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(*(spec(n) for n in range(4)), capacity=SMALLEST)
    runs_out_over(monkeypatch, lambda numbers: 0 in numbers)
    stage.run()
    assert stage.ends() == [(0, "TrialFailed"), *((n, "TrialDone") for n in (1, 2, 3))]


def test_in_the_smallest_population_trials_that_fit_one_at_a_time_are_trained_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A trial begins in the place of one whose last epoch is not measured yet.
    stage = Stage(*(spec(n) for n in range(4)), capacity=SMALLEST)
    runs_out_over(monkeypatch, lambda numbers: len(numbers) > 1)
    told = train_to_the_end(stage)
    assert (told.before, told.capacity) == (SMALLEST, SMALLEST)
    assert told.put_back == ((0, 1),)


def test_a_trial_that_does_not_fit_alone_fails_though_it_began_beside_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stage = Stage(*(spec(n) for n in range(3)), capacity=SMALLEST)
    runs_out_over(monkeypatch, lambda numbers: 1 in numbers)
    train_to_the_end(stage, failed={1})


def runs_out_over(monkeypatch: pytest.MonkeyPatch, runs_out: Callable[[set[int]], bool]) -> None:
    """Have populations run out of memory when a trial makes their trials these."""
    admit = FakePopulation.admit

    def admit_or_run_out(population: FakePopulation, spec: TrialSpec) -> ActiveTrial | None:
        trial = admit(population, spec)
        if trial is not None and runs_out({*population._trials}):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return trial

    monkeypatch.setattr(FakePopulation, "admit", admit_or_run_out)


def train_to_the_end(stage: Stage, failed: Collection[int] = ()) -> PopulationHalved:
    """Train with a coordinator that hands out again what is put back; return the one message."""
    hear, halved = stage.hear, []

    def answer(event: Event) -> None:
        hear(event)
        if isinstance(event, PopulationHalved):
            halved.append(event)
            again = (replace(stage.specs[number], attempt=2) for number, _ in event.put_back)
            stage.inbox.put(Train(specs=tuple(again)))

    stage.session._send = answer
    stage.run()
    ends = {number: "TrialFailed" if number in failed else "TrialDone" for number in stage.specs}
    assert sorted(stage.ends()) == sorted(ends.items())
    (told,) = halved
    return told


def test_out_of_memory_at_a_trials_end_it_begins_anew_and_the_worker_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The trial has left the worker's books by then, but nobody has been told of its result.
    whole = FakePopulation.result
    calls: list[int] = []

    def runs_out_once(population: FakePopulation, number: int, *rest: float) -> TrialDone:
        calls.append(number)
        if len(calls) == 1:
            raise MemoryError("no room for a copy")
        return whole(population, number, *rest)

    monkeypatch.setattr(FakePopulation, "result", runs_out_once)
    stage = Stage(spec(0, epochs=1), spec(1, epochs=1), spec(2, epochs=1), capacity=CAPACITY)
    stage.run()
    told = next(event for event in stage.events if isinstance(event, PopulationHalved))
    assert {0, 1, 2} == {n for n, _ in told.put_back} | {n for n, _ in stage.ends()}
    assert "no room for a copy" in told.reason and calls[0] == 0
    assert (0, 1) in told.put_back and (0, "TrialDone") not in stage.ends()


def test_weights_and_pictures_come_of_the_best_of_a_width_and_of_what_is_always_kept() -> None:
    # The pretended error is 1 / width.
    widths = [11, 5, 5, 10, 30, 10]  # as wide as 11, and no better
    capacity = Capacity(slots=6, hidden_units=100)
    specs = [spec(n, width=w, epochs=1, keep_always=n == 5) for n, w in enumerate(widths)]
    stage = Stage(*specs, capacity=capacity)
    stage.run()
    done = [event for event in stage.events if isinstance(event, TrialDone)]
    assert [one.weights is not None for one in done] == [True, True, False, False, True, True]
    assert all((one.weights is None) == (one.reconstructions_png is None) for one in done)


def test_slots_in_use_and_the_share_of_time_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sweep.worker.stats.REPORT_SECONDS", 0.0)
    stage = Stage(spec(0), spec(1, seeds=(4, 5)))
    stats = [event for event in stage.run() if isinstance(event, WorkerStats)]
    assert stats[0].n_training == 3
    assert stats[-1].busy_since_first is not None and 0 <= stats[-1].busy_since_first <= 1


def requests(stage: Stage) -> list[tuple[int, list[int]]]:
    """How many trials were asked for, and the numbers of those that began."""
    asks = [event for event in stage.events if isinstance(event, TrialRequest)]
    return [(ask.n, [number for number, _ in ask.began]) for ask in asks]


def answer_with(stage: Stage, specs: Iterator[TrialSpec]) -> Callable[[Event], None]:
    """Hands out what is asked for, until there are no more."""

    def hear(event: Event) -> None:
        stage.hear(event)
        if isinstance(event, TrialRequest) and event.n:
            more = tuple(islice(specs, event.n))
            stage.inbox.put(Train(specs=more) if more else Shutdown())

    return hear


def test_a_population_asks_for_what_fits_and_a_quarter_more() -> None:
    stage = Stage(capacity=Capacity(slots=8, hidden_units=200))
    stage.session._send = answer_with(stage, (spec(n, epochs=1) for n in range(14)))
    stage.session.run()
    assert requests(stage) == [
        (10, []),
        (0, [*range(8)]),
        (0, [8, 9]),  # in places that are free, while the first eight still train
        (8, []),
        (0, [10, 11, 12, 13]),
        (2, []),
    ]


def test_a_quarter_of_the_trials_is_queued_and_not_a_quarter_of_the_slots() -> None:
    capacity = Capacity(slots=16, hidden_units=400, n_seeds=4)
    stage = Stage(capacity=capacity, expected=replace(TENS, n_seeds=4))
    specs = (spec(n, epochs=1, seeds=(n, n + 10, n + 20, n + 30)) for n in range(5))
    stage.session._send = answer_with(stage, specs)
    stage.session.run()
    assert requests(stage)[:2] == [(5, []), (0, [0, 1, 2, 3])]


def test_wide_trials_are_asked_for_less_when_some_wait() -> None:
    # Two fit of the four that the estimate says; one wait is enough, however many slots are free.
    stage = Stage(capacity=Capacity(slots=4, hidden_units=40))
    stage.session._send = answer_with(stage, (spec(n, width=20, epochs=1) for n in range(9)))
    stage.session.run()
    assert requests(stage)[:2] == [(5, []), (0, [0, 1])]
    assert sorted(stage.ends()) == [(n, "TrialDone") for n in range(9)]


def test_a_halved_population_asks_for_as_many_as_it_holds_now() -> None:
    stage = Stage(*(spec(n) for n in range(3)), capacity=Capacity(slots=3, hidden_units=40))
    run_out_once(stage)
    stage.session._send = answer_with(stage, (spec(n, epochs=1) for n in range(3, 5)))
    stage.session.run()
    assert requests(stage) == [(1, [0, 1, 2]), (1, [3]), (0, [4]), (1, [])]


# The real trainer


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
def test_trials_of_all_kinds_come_out_as_the_reference_trainer_has_them() -> None:
    data, inbox = small_data(), SimpleQueue[Order]()
    exploding = replace(
        FUSED,
        optimizer=Optimizer.SGD,
        learning_rate=1e30,
        loss=Loss.MSE,
        output_activation=Output.LINEAR,
    )
    configs = [
        FUSED,
        replace(FUSED, hidden_width=20, epochs=3, optimizer=Optimizer.RMSPROP),
        exploding,
        replace(FUSED, hidden_width=5, epochs=1, batch_size=20),
        replace(FUSED, epochs=5),
        replace(FUSED, optimizer=Optimizer.ADAGRAD, epochs=1),
    ]
    specs = [
        make_spec(c, number=n, seeds=(n, n + 50)[: 1 + (n == 1)], keep_always=True)
        for n, c in enumerate(configs)
    ]
    events: list[Event] = []

    def hear(event: Event) -> None:
        events.append(EVENTS.decode(EVENTS.encode(event)))
        if isinstance(event, EpochsDone):
            for one in event.epochs:
                answer = prune if (one.number, one.epoch) == (4, 1) else judge
                inbox.put(answer(one.number, one.epoch))

    capacity = Capacity(slots=4, hidden_units=96, tile_units=16, n_populations=2)
    inbox.put(Train(specs=tuple(specs)))
    inbox.put(Shutdown())
    trainer = Populations(
        lambda size, one: make_fused(
            data, rows=one.hidden_units, slots=one.slots or 0, batch_size=size
        ),
        capacity=capacity,
        halve=lambda capacity: None,
        expected=TENS,
    )
    Session(trainer, inbox, hear, pruning=True).run()

    last = [
        event for event in events if not isinstance(event, EpochsDone | WorkerStats | TrialRequest)
    ]
    assert {event.number: type(event) for event in last} == {  # type: ignore[union-attr]
        **dict.fromkeys((0, 1, 3, 5), TrialDone),
        2: TrialDiverged,
        4: TrialStopped,
    }
    pairs: list[tuple[TrialDone, TrialDone]] = []
    for done in (event for event in last if isinstance(event, TrialDone)):
        training = start(configs[done.number], data, seeds=specs[done.number].seeds)
        while not training.finished:
            training.train_epoch()
        pairs.append((done, training.result()))
    for done, expected in pairs:
        for result, true in zip(done.results, expected.results, strict=True):
            assert result.test_mse == pytest.approx(true.test_mse, rel=1e-4)
            assert result.diagnostics is not None and result.diagnostics.encoder_norm > 0
    analyses = iter(analyse_all(data, *(one.weights for pair in pairs for one in pair)))
    for got, expected_one in zip(analyses, analyses, strict=True):
        assert got.probe == expected_one.probe and got.probe is not None


# How large

EXPECTED = WorkloadEstimate(
    mean_hidden_width=200, max_hidden_width=1024, n_seeds=2, max_batch_size=128, n_batch_sizes=1
)
MNIST = Shape(n_train=55_000, n_inputs=784, batch_size=128)


def test_a_population_is_as_large_as_memory_and_sense_allow() -> None:
    large = capacity_for(MNIST, EXPECTED, 80 * 10**9, max_slots=512)
    assert (large.slots, large.hidden_units) == (422, 422 * 160), "67,584 rows are enough"
    small = capacity_for(MNIST, EXPECTED, 10**9, max_slots=512)
    assert small.slots is not None and 200 < small.slots < 300
    assert small.bytes <= 0.9 * 10**9
    alike = replace(EXPECTED, max_hidden_width=EXPECTED.mean_hidden_width)
    same = capacity_for(MNIST, alike, 80 * 10**9, max_slots=512)
    assert (same.slots, same.hidden_units) == (301, 301 * 224), "rows and slots end together"


def test_a_population_holds_the_widest_trial_with_all_its_seeds() -> None:
    capacity = capacity_for(MNIST, EXPECTED, 80 * 10**9, max_slots=1)
    assert (capacity.slots, capacity.hidden_units) == (2, 2048)
    assert halve(MNIST, EXPECTED, capacity) is None


def test_batch_sizes_share_the_memory() -> None:
    expected = replace(EXPECTED, n_batch_sizes=3)
    capacity = capacity_for(MNIST, expected, 3 * 10**9, max_slots=512)
    one = capacity_for(MNIST, EXPECTED, 10**9, max_slots=512)
    assert capacity == replace(one, n_populations=3)


def test_a_population_knows_how_many_seeds_a_trial_has() -> None:
    capacity = capacity_for(MNIST, replace(EXPECTED, n_seeds=4), 10**9, max_slots=512)
    assert capacity.n_trials == (capacity.slots or 0) // 4 > 1


def test_half_a_population_holds_half_as_much() -> None:
    capacity = Capacity(slots=100, hidden_units=20_000, tile_units=32)
    half = halve(MNIST, EXPECTED, capacity)
    assert half is not None and (half.slots, half.hidden_units) == (50, 9_984)


def test_the_smallest_populations_become_fewer() -> None:
    expected = replace(EXPECTED, n_batch_sizes=3)
    capacity = capacity_for(MNIST, expected, 80 * 10**9, max_slots=1)
    assert capacity.n_populations == 3
    assert halve(MNIST, expected, capacity) == replace(capacity, n_populations=1)


def test_without_memory_for_one_trial_it_says_what_is_needed() -> None:
    with pytest.raises(DeviceError, match="1024 hidden units needs 0.04 GB"):
        capacity_for(MNIST, EXPECTED, 10**7, max_slots=512)


def test_a_setup_that_asks_for_the_fused_trainer_gets_through_the_wire() -> None:
    from tests.support.trainer_factories import make_setup

    setup = make_setup(trainer=Trainer.FUSED, expected=EXPECTED, max_slots=4)
    assert ORDERS.decode(ORDERS.encode(setup)) == setup


def test_on_a_gpu_the_kernels_are_checked_before_a_study_trusts_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tests.support.trainer_factories import make_setup

    seen: list[tuple[str, int]] = []

    def refuse(data: object, device: torch.device, *, batch_size: int) -> None:
        seen.append((device.type, batch_size))
        raise DeviceError("other numbers than the reference trainer")

    monkeypatch.setattr("sweep.worker.fused.check_kernels", refuse)
    setup = make_setup(trainer=Trainer.FUSED, expected=replace(EXPECTED, max_batch_size=16))
    with pytest.raises(DeviceError, match="other numbers"):
        FusedWorker(small_data(), setup, torch.device("cuda"))
    assert seen == [("cuda", 16)]


def test_data_of_more_pixels_than_the_kernels_count_are_left_to_the_reference_trainer() -> None:
    from tests.support.trainer_factories import make_setup

    setup = make_setup(trainer=Trainer.AUTO, expected=EXPECTED)
    pixel = torch.zeros((1, 1), dtype=torch.uint8)
    data = replace(small_data(), train=pixel.expand(2**16, 2**15))
    with pytest.raises(FusedUnavailableError, match="counts pixels in 31 bits"):
        FusedWorker(data, setup, torch.device("cpu"))
