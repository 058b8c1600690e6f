"""Turns of the coordinator's loop in which several things come together."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
from optuna.trial import TrialState
from sqlalchemy import insert, select, text

from sweep.coordinator.requests import request_trial
from sweep.coordinator.worker_pool import STARTS_PER_DEVICE
from sweep.enums import CommandKind, StopReason
from sweep.errors import FailureLimitError
from sweep.launch.launcher import Gone
from sweep.messages import EpochsDone, Event, Stop, TrialRequest, TrialSpec, TrialStopped
from sweep.store import annotate
from sweep.store.commands import post
from sweep.store.engine import write_transaction
from sweep.store.handle import open_study
from sweep.store.schema import sweep_commands, sweep_events
from tests.support.coordinator_runs import ONE, SAME, TWO_RATES, states
from tests.support.lockstep import (
    epochs_done,
    lockstep,
    report_epochs,
    trial_done,
    worker_ready,
)
from tests.support.store_factories import sqlite_store


def test_a_worker_whose_death_ends_the_study_gives_back_what_it_was_not_sent_yet(
    tmp_path: Path,
) -> None:
    engine = sqlite_store(tmp_path)
    with lockstep(engine, "budget.max_failures=0", "workers.retries=0") as coordinator:
        (worker,) = coordinator.puppets.started
        first, second = worker.given()
        report_epochs(worker, first)
        worker.say(trial_done(first))  # so a third is asked for, and held back for this tick's rows
        worker.say(Gone(reason="killed by signal 9"))  # over the second
        coordinator.tick()
        while not coordinator.ended:
            coordinator.tick()
        assert isinstance(coordinator.error, FailureLimitError), repr(coordinator.error)
        found = dict(enumerate(states(str(engine.url))))
        assert (found[first.number], found[second.number]) == (
            TrialState.COMPLETE,
            TrialState.FAIL,
        )
        assert {found[n] for n in found if n not in (first.number, second.number)} == {
            TrialState.WAITING
        }


def test_the_last_trials_go_to_whichever_worker_is_free_first(tmp_path: Path) -> None:
    two = replace(ONE, cpu_workers=2)
    with lockstep(sqlite_store(tmp_path), "budget.trials=6", options=two) as coordinator:
        slow, fast = coordinator.puppets.started
        assert (len(slow.given()), len(fast.given())) == (2, 2)
        for worker, n in [(slow, 0), (fast, 0), (fast, 1), (fast, 2), (fast, 3)]:
            spec = worker.given()[n]
            report_epochs(worker, spec)
            worker.say(trial_done(spec))
            coordinator.tick()
        assert (len(slow.given()), len(fast.given())) == (2, 4)


def test_workers_that_were_left_alone_say_nothing_about_their_device(tmp_path: Path) -> None:
    # Each time the coordinator was suspended while they started, for longer than they wait.
    with lockstep(sqlite_store(tmp_path)) as coordinator:
        workers = coordinator.puppets.started
        for n in range(1, STARTS_PER_DEVICE + 2):
            assert len(workers) == n
            workers[-1].say(Gone(reason="exit code 75", was_left_alone=True))
            coordinator.tick()
        assert len(workers) == STARTS_PER_DEVICE + 2 and not coordinator.ended


def test_a_reuse_of_what_was_marked_invalid_a_moment_ago_is_marked_too(tmp_path: Path) -> None:
    # The coordinator looks for marks now and then; until it does, the twin is as good as any.
    engine = sqlite_store(tmp_path)
    same = "space.hidden_width=8", f"space.learning_rate={TWO_RATES}", SAME
    with (
        patch("sweep.coordinator.dispatch.MOST_REUSED", 1),
        patch("sweep.coordinator.user_requests.COMMAND_SECONDS", 3600.0),
        patch("sweep.coordinator.buffered_writer.GATHER_SECONDS", 0.0),
        lockstep(engine, *same) as coordinator,
    ):
        (worker,) = coordinator.puppets.started
        twin = worker.given()[0]
        report_epochs(worker, twin)
        worker.say(trial_done(twin))
        for _ in range(2):
            coordinator.tick()
        before = len(open_study(engine, "x").trials())
        annotate.invalidate(engine, "x", twin.number, "wrong disk")
        coordinator.tick()
        rows = {row.number: row for row in open_study(engine, "x").trials()}
        late = [row for number, row in rows.items() if number >= before and row.reused_from == 0]
        assert late and all(
            (row.invalid, row.invalid_reason) == (True, "wrong disk") for row in late
        )


def test_a_mark_on_a_trial_that_waits_for_its_twin_outlives_the_reuse(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    same = "space.hidden_width=8", f"space.learning_rate={TWO_RATES}", SAME
    with (
        patch("sweep.coordinator.buffered_writer.GATHER_SECONDS", 0.0),
        lockstep(engine, *same) as coordinator,
    ):
        (worker,) = coordinator.puppets.started
        twin = worker.given()[0]
        waits = twin.number + 1
        annotate.invalidate(engine, "x", waits, "asked for by mistake")
        report_epochs(worker, twin)
        worker.say(trial_done(twin))
        for _ in range(3):
            coordinator.tick()
        row = open_study(engine, "x").trial(waits)
        assert row.reused_from == twin.number
        assert (row.invalid, row.invalid_reason) == (True, "asked for by mistake")


def test_a_command_whose_outcome_still_gathers_is_not_applied_again(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    with (
        patch("sweep.coordinator.user_requests.COMMAND_SECONDS", 0.0),  # as when a tick takes long
        patch("sweep.coordinator.buffered_writer.GATHER_SECONDS", 60.0),
        lockstep(engine) as coordinator,
    ):
        request_trial(open_study(engine, "x"), {"hidden_width": 333})
        for _ in range(3):
            coordinator.tick()
        (worker,) = coordinator.puppets.started
        report_epochs(worker, worker.given()[0])
        worker.say(trial_done(worker.given()[0]))  # its successor is awaited, so all is written
        coordinator.tick()
        assert len(open_study(engine, "x").trials()) == 2 + 1


def _of_four_seeds(spec: TrialSpec) -> EpochsDone:
    (one,) = epochs_done(spec, 1, 0.5).epochs
    return EpochsDone(epochs=(replace(one, metrics=one.metrics * 2),))


def _make_stopped(spec: TrialSpec, epoch: int) -> TrialStopped:
    return TrialStopped(number=spec.number, attempt=spec.attempt, epoch=epoch)


def _good(spec: TrialSpec, last: int) -> list[Event]:
    return [epochs_done(spec, epoch, 0.5) for epoch in range(1, last + 1)]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (lambda spec: [epochs_done(spec, 7, 0.5)], "epoch 7 of 3"),
        (lambda spec: [epochs_done(spec, 0, 0.5)], "epoch 0 after epoch 0"),
        (lambda spec: [*_good(spec, 1), epochs_done(spec, 3, 0.5)], "epoch 3 after epoch 1"),
        (lambda spec: [*_good(spec, 2), epochs_done(spec, 2, 0.5)], "epoch 2 after epoch 2"),
        (lambda spec: [_of_four_seeds(spec)], "metrics of 4 seeds instead of 2"),
        (lambda spec: [epochs_done(spec, 1, math.nan)], "not finite"),
        (lambda spec: [trial_done(spec)], "a result after 0 of 3 epochs"),
        (lambda spec: [*_good(spec, 2), trial_done(spec)], "a result after 2 of 3 epochs"),
        (lambda spec: [_make_stopped(spec, 0)], "the end of a trial that was not told to stop"),
        (lambda spec: [TrialRequest(n=-1)], "a request for -1 trials, with room for 3"),
        (lambda spec: [TrialRequest(n=4)], "a request for 4 trials, with room for 3"),
    ],
)
def test_a_worker_that_talks_nonsense_is_ended_and_its_trials_go_to_another(
    said: Callable[[TrialSpec], list[Event]], told: str, tmp_path: Path
) -> None:
    engine = sqlite_store(tmp_path)
    with lockstep(engine) as coordinator:
        (worker,) = coordinator.puppets.started
        first = worker.given()[0]
        for event in said(first):
            worker.say(event)
        worker.say(epochs_done(first, 1, 0.25))  # too late: nobody listens
        for _ in range(2):
            coordinator.tick()
        assert not coordinator.ended, repr(coordinator.error)
        _, successor = coordinator.puppets.started
        successor.say(worker_ready())
        for _ in range(2):
            coordinator.tick()
        assert (first.number, 2) in {(spec.number, spec.attempt) for spec in successor.given()}
    (gone,) = (event for event in open_study(engine, "x").events() if event.kind == "worker gone")
    assert told in gone.message
    assert open_study(engine, "x").curves() == {}


def test_an_attempt_that_is_not_current_any_more_is_stopped(tmp_path: Path) -> None:
    with lockstep(sqlite_store(tmp_path)) as coordinator:
        (worker,) = coordinator.puppets.started
        old = replace(worker.given()[0], attempt=7)
        worker.say(epochs_done(old, 1, 0.5))
        coordinator.tick()
        stop = Stop(number=old.number, attempt=7, reason=StopReason.SUPERSEDED)
        assert worker.orders[-1] == stop


def test_results_of_other_seeds_are_nonsense_too(tmp_path: Path) -> None:
    engine = sqlite_store(tmp_path)
    with lockstep(engine) as coordinator:
        (worker,) = coordinator.puppets.started
        first = worker.given()[0]
        report_epochs(worker, first)
        done = trial_done(first)
        worker.say(replace(done, results=done.results[:1]))
        coordinator.tick()
        assert not coordinator.ended and len(coordinator.puppets.started) == 2


def test_commands_that_cannot_be_read_are_refused_and_told(tmp_path: Path) -> None:
    # A newer version's, or somebody's own row: it must not end the study.
    engine = sqlite_store(tmp_path)
    with (
        patch("sweep.coordinator.user_requests.COMMAND_SECONDS", 0.0),
        patch("sweep.coordinator.buffered_writer.GATHER_SECONDS", 0.0),
        lockstep(engine) as coordinator,
    ):
        study_id = open_study(engine, "x").summary().study_id
        for kind, payload in (("dance", {}), ("extend", {}), ("extend", {"n_trials": "many"})):
            row = {"study_id": study_id, "kind": kind, "payload": payload, "created_at": 0.0}
            with write_transaction(engine) as connection:
                connection.execute(insert(sweep_commands).values(**row))
        for _ in range(3):
            coordinator.tick()
        assert not coordinator.ended, repr(coordinator.error)
    outcomes = [command.outcome for command in open_study(engine, "x").commands()]
    assert len(outcomes) == 3 and all(str(said).startswith("refused: ") for said in outcomes)


def test_a_command_with_a_broken_payload_is_refused_and_the_next_one_applied(
    tmp_path: Path,
) -> None:
    engine = sqlite_store(tmp_path)
    with (
        patch("sweep.coordinator.user_requests.COMMAND_SECONDS", 0.0),
        patch("sweep.coordinator.buffered_writer.GATHER_SECONDS", 0.0),
        lockstep(engine) as coordinator,
    ):
        post(engine, "x", CommandKind.ENQUEUE, {"configuration": 7})
        stop = post(engine, "x", CommandKind.STOP)
        for _ in range(2):
            coordinator.tick()
        assert coordinator.progress is not None and coordinator.progress.phase == "stopped"
    query = select(sweep_commands.c.command_id, sweep_commands.c.outcome)
    with engine.connect() as connection:
        outcomes = {row.command_id: row.outcome for row in connection.execute(query)}
    assert outcomes.pop(stop) == "applied"
    (refused,) = outcomes.values()
    assert refused.startswith("refused: it cannot be read (sweep_commands.payload: configuration")


def test_an_invalid_mark_that_cannot_be_read_holds_up_no_command_and_no_other_mark(
    tmp_path: Path,
) -> None:
    engine = sqlite_store(tmp_path)
    with (
        patch("sweep.coordinator.user_requests.COMMAND_SECONDS", 0.0),
        patch("sweep.coordinator.buffered_writer.GATHER_SECONDS", 0.0),
        lockstep(engine) as coordinator,
    ):
        (worker,) = coordinator.puppets.started
        damaged, marked = worker.given()
        annotate.invalidate(engine, "x", marked.number)
        annotate.invalidate(engine, "x", damaged.number)
        damage = text("UPDATE sweep_trials SET number = 'two' WHERE number = :number")
        with engine.begin() as connection:
            connection.execute(damage, {"number": damaged.number})
        coordinator.tick()
        report_epochs(worker, marked)
        worker.say(trial_done(marked))
        coordinator.tick()
        assert coordinator.progress is not None and coordinator.progress.best_number is None
        stop = post(engine, "x", CommandKind.STOP)
        for _ in range(2):
            coordinator.tick()
        assert coordinator.progress.phase == "stopped"
    with engine.connect() as connection:
        events, commands = sweep_events.c, sweep_commands.c
        refused = select(events.message).where(events.kind == "mark refused")
        (message,) = connection.execute(refused).scalars()
        outcome = select(commands.outcome).where(commands.command_id == stop)
        assert connection.execute(outcome).scalar_one() == "applied"
    assert "cannot be read" in message and f"trial_id {damaged.number + 1}" in message
