"""Whatever happens in whatever order, no trial is lost, doubled, or trained under an old number.

Hypothesis makes up the sequences: reports, endings, deaths of workers, late results, commands,
marks, a database that is away or whose answer is lost, a coordinator that is killed and wakes up
after another took over. A model of a page says what must be in the database after each.
"""

import copy
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy import event, func, select, update

from sweep.coordinator.requests import request_trial
from sweep.coordinator.run import resume, start
from sweep.enums import CommandKind
from sweep.errors import LeaseLostError, UsageError
from sweep.launch.launcher import Gone
from sweep.launch.resources import RunOptions
from sweep.messages import (
    Event,
    Heartbeat,
    TrialDiverged,
    TrialFailed,
    TrialSpec,
    TrialStopped,
)
from sweep.store import annotate, commands, schema
from sweep.store.engine import write_transaction
from sweep.store.handle import open_study
from sweep.studyfile import loads
from tests.support.lockstep import (
    EPOCHS,
    SEEDS,
    Lockstep,
    Puppet,
    attempt_of,
    epochs_done,
    trial_done,
    weather_of,
    worker_ready,
)
from tests.support.store_factories import sqlite_store

STUDY = f"""
study = {{ name = "x", repeat = {SEEDS}, duplicates = "train" }}
sampler.name = "random"
pruner = {{ name = "median", n_startup_trials = 2 }}
budget = {{ trials = 5, max_failures = 1000 }}
workers.retries = 1000
[space]
epochs = {EPOCHS}
hidden_width = {{ low = 8, high = 1024, log = true }}
"""
OPTIONS = RunOptions(gpus="cpu", cpu_workers=2)
ENDED = {"COMPLETE", "PRUNED", "FAIL"}


@dataclass
class Trial:
    """What the database must say of a trial."""

    state: str = "WAITING"
    attempt: int = 0
    #: Validation error of each epoch so far, the mean over the seeds.
    curve: list[float] = field(default_factory=list)
    invalid: bool = False
    #: What was found in its network is there.


class Sequences(RuleBasedStateMachine):
    """One study, through everything that may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        self.engine = sqlite_store(self._folder)
        event.listen(self.engine, "connect", _without_waiting_for_the_disk)
        self._stack.callback(self.engine.dispose)
        for target, instead in {
            "sweep.coordinator.run.prepare_data": lambda *_: "x",
            "sweep.coordinator.user_requests.COMMAND_SECONDS": 0.0,
            "sweep.coordinator.buffered_writer.RETRY_SECONDS": 0.0,
            "sweep.coordinator.buffered_writer.GATHER_SECONDS": 0.0,  # every tick is written,
            # and waits for its transaction, which fails or lands at once.
            "sweep.coordinator.background_query.BackgroundCall.wait": lambda call, _seconds: (
                call._done.wait(60)
            ),
        }.items():
            self._stack.enter_context(patch(target, instead))
        self.weather = self._stack.enter_context(weather_of(self.engine))
        self.optuna = RDBStorage(str(self.engine.url), skip_compatibility_check=True)
        self._stack.callback(self.optuna.engine.dispose)
        self.trials: dict[int, Trial] = {}
        #: The same, as of the last transaction.
        self.written: dict[int, Trial] = {}
        self.params: dict[int, dict[str, Any]] = {}
        #: Everything that was ever handed out: to whom, by which coordinator.
        self.handed: list[tuple[Puppet, TrialSpec]] = []
        self.n_trials = 5
        self.paused = False
        self.zombies: list[Lockstep] = []
        self.coordinator = self._start()

    def _start(self) -> Lockstep:
        file = loads(STUDY, "test.toml")
        return self._begin(
            lambda puppets, observe: start(
                self.engine, file, OPTIONS, observe, say=lambda _: None, launcher=puppets
            )
        )

    def _resume(self, trials: int | None = None) -> Lockstep:
        return self._begin(
            lambda puppets, observe: resume(
                *(self.engine, "x", OPTIONS, observe),
                say=lambda _: None,
                launcher=puppets,
                trials=trials,
            )
        )

    def _begin(self, begin: Any) -> Lockstep:
        self.paused = False
        self.coordinator = Lockstep(begin, self.weather)
        self._after_tick()
        if not self.coordinator.ended:
            self.tick()
        return self.coordinator

    # --- what the test knows ------------------------------------------------------------------

    @property
    def running(self) -> bool:
        return not self.coordinator.ended

    def current(self) -> list[tuple[Puppet, TrialSpec]]:
        """What is in training, as far as the model knows."""
        return [
            (puppet, spec)
            for puppet, spec in self.handed
            if puppet in self.coordinator.puppets.started
            and self.trials[spec.number].state == "RUNNING"
            and self.trials[spec.number].attempt == spec.attempt
        ]

    def tick(self) -> None:
        self.coordinator.tick()
        self._after_tick()
        self._let_it_end()

    def _let_it_end(self) -> None:
        """With nothing left to do it ends, and hears of no command any more."""
        over = all(trial.state in ENDED for trial in self.trials.values())
        enough = len(self.trials) >= self.n_trials and not self.paused
        if self.running and self.reachable and over and enough:
            self.coordinator.tick()
            self._after_tick()

    def _after_tick(self) -> None:
        """Take down what it ordered; new workers come up."""
        error = self.coordinator.error
        assert error is None, repr(error)
        new = [
            (puppet, spec)
            for puppet in self.coordinator.puppets.started
            for spec in puppet.given()
            if (puppet, spec) not in self.handed
        ]
        for puppet, spec in new:
            trial = self.trials.setdefault(spec.number, Trial())
            assert trial.state == "WAITING", f"trial {spec.number} was handed out twice"
            assert spec.attempt > trial.attempt, "an attempt's number came again"
            assert sorted(self.trials) == list(range(len(self.trials))), "a number was left out"
            trial.state, trial.attempt = "RUNNING", spec.attempt
            self.handed.append((puppet, spec))
        for puppet in self.coordinator.puppets.started:
            if len(puppet.orders) == 1:  # its setup
                puppet.orders.append(puppet.orders[0])
                puppet.say(worker_ready())

    @property
    def reachable(self) -> bool:
        """Whether the last tick was written, and the coordinator knows it."""
        progress = self.coordinator.progress
        settled = self.coordinator.ended or progress is None or progress.message is None
        return settled and not self.weather.away and not self.weather.answer_lost

    # --- workers ------------------------------------------------------------------------------

    def _pick(self, place: int) -> tuple[Puppet, TrialSpec]:
        there = self.current()
        return there[place % len(there)]

    @precondition(lambda self: self.running and self.current())
    @rule(place=st.integers(0, 9), error=st.floats(0.01, 1.0))
    def an_epoch_is_done(self, place: int, error: float) -> None:
        puppet, spec = self._pick(place)
        trial = self.trials[spec.number]
        if puppet.told_to_leave(spec) and trial.curve:
            puppet.say(TrialStopped(**attempt_of(spec), epoch=len(trial.curve)))
            trial.state = "PRUNED"
        elif len(trial.curve) < EPOCHS:
            self._report(puppet, spec, error)
        else:
            self._finish(puppet, spec)
        self.tick()

    @precondition(lambda self: self.running and self.current())
    @rule(place=st.integers(0, 9), error=st.floats(0.01, 1.0))
    def a_trial_is_done(self, place: int, error: float) -> None:
        puppet, spec = self._pick(place)
        while len(self.trials[spec.number].curve) < EPOCHS:
            self._report(puppet, spec, error)
        self._finish(puppet, spec)
        self.tick()

    def _report(self, puppet: Puppet, spec: TrialSpec, error: float) -> None:
        curve = self.trials[spec.number].curve
        puppet.say(epochs_done(spec, len(curve) + 1, error))
        curve.append(fmean([error] * SEEDS))

    def _finish(self, puppet: Puppet, spec: TrialSpec) -> None:
        puppet.say(trial_done(spec))
        self.trials[spec.number].state = "COMPLETE"

    @precondition(lambda self: self.running and self.current())
    @rule(place=st.integers(0, 9), diverged=st.booleans())
    def a_trial_goes_wrong(self, place: int, diverged: bool) -> None:
        puppet, spec = self._pick(place)
        wrong = (
            TrialDiverged(**attempt_of(spec), epoch=1, reason="nan")
            if diverged
            else TrialFailed(**attempt_of(spec), reason="bad luck")
        )
        puppet.say(wrong)
        self.trials[spec.number].state = "FAIL"
        self.tick()

    @precondition(lambda self: self.running and self.current())
    @rule(place=st.integers(0, 9))
    def a_worker_dies(self, place: int) -> None:
        victim, _ = self._pick(place)
        victim.say(Gone(reason="killed by signal 9"))
        self._lose(victim)
        self.tick()

    @precondition(lambda self: self.running and self.current())
    @rule(place=st.integers(0, 9), result=st.booleans())
    def a_worker_talks_nonsense(self, place: int, result: bool) -> None:
        """An epoch is left out; or all the rest are, and a result comes."""
        victim, spec = self._pick(place)
        last = len(self.trials[spec.number].curve)
        early = result and last < EPOCHS
        victim.say(trial_done(spec) if early else epochs_done(spec, last + 2, 0.001))
        self._lose(victim)
        self.tick()

    def _lose(self, victim: Puppet) -> None:
        """What a worker trained waits again."""
        for puppet, spec in self.current():
            if puppet is victim:
                self._wait_again(self.trials[spec.number])

    @staticmethod
    def _wait_again(trial: Trial) -> None:
        trial.state, trial.curve = "WAITING", []

    def over(self) -> list[TrialSpec]:
        """Attempts that were handed out and are not in training.

        A coordinator killed without its database may have handed out an attempt that is not
        recorded: its successor hands out another of the same number, which is not over.
        """
        training = {(spec.number, spec.attempt) for _, spec in self.current()}
        return [spec for _, spec in self.handed if (spec.number, spec.attempt) not in training]

    @precondition(lambda self: self.running and self.over())
    @rule(place=st.integers(0, 99), kind=st.integers(0, 4), error=st.floats(0.001, 1.0))
    def a_late_result_comes(self, place: int, kind: int, error: float) -> None:
        """Of an attempt that is over, by whoever trained it or by whoever trains it now."""
        late = self.over()
        spec = late[place % len(late)]
        puppets = self.coordinator.puppets.started
        puppets[place % len(puppets)].say(_late(spec, kind, error))
        self.tick()

    # --- users --------------------------------------------------------------------------------

    @precondition(lambda self: self.running and self.reachable and len(self.trials) < 14)
    @rule(width=st.integers(8, 1024))
    def somebody_enqueues(self, width: int) -> None:
        command_id = request_trial(open_study(self.engine, "x"), {"hidden_width": width})
        self.coordinator.tick()
        number = int(self._outcome(command_id).removeprefix("applied: trial "))
        assert number not in self.trials
        self.trials[number] = Trial()
        self.params[number] = {"hidden_width": width}
        self.n_trials = max(self.n_trials, number + 1)
        self._after_tick()

    @precondition(lambda self: self.running and self.reachable)
    @rule(n_trials=st.integers(1, 14))
    def somebody_extends(self, n_trials: int) -> None:
        n_there = len(self.trials)
        command_id = commands.post(self.engine, "x", CommandKind.EXTEND, {"n_trials": n_trials})
        self.tick()
        refused = self._outcome(command_id).startswith("refused")
        assert refused == (n_trials < n_there)
        self.n_trials = self.n_trials if refused else n_trials
        self._let_it_end()

    @precondition(lambda self: self.running and self.reachable)
    @rule(kind=st.sampled_from([CommandKind.PAUSE, CommandKind.CONTINUE]))
    def somebody_pauses_or_goes_on(self, kind: CommandKind) -> None:
        command_id = commands.post(self.engine, "x", kind)
        self.tick()
        self.paused = kind is CommandKind.PAUSE
        assert self._outcome(command_id) == "applied"
        self._let_it_end()

    def _outcome(self, command_id: int) -> str:
        (row,) = [c for c in open_study(self.engine, "x").commands() if c.command_id == command_id]
        return str(row.outcome)

    @precondition(lambda self: self.written)
    @rule(place=st.integers(0, 99), invalid=st.booleans())
    def somebody_marks_a_trial(self, place: int, invalid: bool) -> None:
        number = place % len(self.written)
        mark = annotate.invalidate if invalid else annotate.validate
        try:
            mark(self.engine, "x", number)
        except UsageError:  # it has not begun
            assert self.written[number].attempt == 0
            return
        for trials in (self.trials, self.written):
            trials[number].invalid = invalid
        if self.running:
            self.tick()

    @precondition(lambda self: self.running and self.reachable)
    @rule()
    def somebody_stops_it(self) -> None:
        commands.post(self.engine, "x", CommandKind.STOP)
        before = self.current()
        self.tick()
        for puppet, spec in before:
            trial = self.trials[spec.number]
            pruned = puppet.told_to_leave(spec)
            puppet.say(TrialStopped(**attempt_of(spec), epoch=len(trial.curve)))
            trial.state = "PRUNED" if pruned else "WAITING"
            trial.curve = trial.curve if pruned else []
        while self.running:
            self.tick()
        assert self.coordinator.phase == "stopped"

    @precondition(lambda self: not self.running)
    @rule(more=st.integers(0, 3))
    def somebody_resumes_it(self, more: int) -> None:
        self.weather.away = self.weather.answer_lost = False
        self.n_trials = min(14, max(self.n_trials, len(self.trials)) + more)
        self._resume(self.n_trials)

    # --- what goes wrong ------------------------------------------------------------------------

    @precondition(lambda self: self.running)
    @rule(away=st.booleans())
    def the_database_goes_or_comes_back(self, away: bool) -> None:
        self.weather.away = away
        self.tick()

    @precondition(lambda self: self.running and self.reachable)
    @rule()
    def an_answer_is_lost(self) -> None:
        self.weather.answer_lost = True

    @precondition(lambda self: self.running)
    @rule(wakes=st.booleans())
    def the_coordinator_is_killed(self, wakes: bool) -> None:
        """And another takes over; one that was only suspended may wake up then, and must stop."""
        dead, training = self.coordinator, self.current()
        self.weather.away = self.weather.answer_lost = False
        self.trials = self._in_database()
        for trial in self.trials.values():
            if trial.state == "RUNNING":
                self._wait_again(trial)
        with write_transaction(self.engine) as connection:
            connection.execute(update(schema.sweep_leases).values(expires_at=0.0))
        self.handed = [pair for pair in self.handed if pair[1].number in self.trials]
        self._resume()
        if wakes:
            for puppet, spec in training:
                puppet.say(epochs_done(spec, 1, 0.001))
            dead.puppets.inbox.put(("w0", Gone(reason="killed by signal 9")))
            for puppet in dead.puppets.started:  # w0 may be gone already, and nothing in training
                puppet.say(Heartbeat())
            dead.tick()
            assert isinstance(dead.error, LeaseLostError), dead.error
        self.zombies.append(dead)

    # --- what must always hold -----------------------------------------------------------------

    @invariant()
    def the_database_optuna_and_the_model_agree(self) -> None:
        optunas = self.optuna.get_all_trials(self.optuna.get_study_id_from_name("x"))
        self._check_params(optunas)
        if not self.reachable:
            return
        there = self._in_database()
        for number, found in there.items():
            # Asked for, and put back before it was sent, when a stop or a death came between: an
            # attempt, or a new trial, that no worker saw.
            if found.state == "WAITING":
                known = self.trials.setdefault(number, found)
                known.attempt = max(known.attempt, found.attempt)
        assert there == self.trials
        self.written = copy.deepcopy(self.trials)
        assert _as_optuna_has_them(optunas) == {n: _optunas(t) for n, t in self.trials.items()}

    @invariant()
    def what_was_written_never_goes_back(self) -> None:
        there = self._in_database()
        for number, trial in self.written.items():
            assert there[number].attempt >= trial.attempt
            if trial.state in ENDED:
                assert (there[number].state, there[number].curve) == (trial.state, trial.curve)

    def _check_params(self, trials: list[FrozenTrial]) -> None:
        """A trial keeps its parameters."""
        for trial in trials:
            known = self.params.setdefault(trial.number, {})
            fixed = trial.system_attrs.get("fixed_params", {})
            for name, value in (trial.params or fixed).items():
                assert known.setdefault(name, value) == value

    @invariant()
    def no_trial_is_begun_beyond_the_budget(self) -> None:
        if self.reachable:
            assert len(self.trials) <= max(self.n_trials, len(self.written))

    def _in_database(self) -> dict[int, Trial]:
        """By our own tables, states by Optuna's."""
        ours, theirs, epochs = schema.sweep_trials, schema.trials, schema.sweep_epochs
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(theirs.c.number, theirs.c.state, ours.c.attempt, ours.c.invalid)
                .select_from(theirs.outerjoin(ours, ours.c.trial_id == theirs.c.trial_id))
                .order_by(theirs.c.number)
            ).all()
            curves = connection.execute(
                select(ours.c.number, epochs.c.epoch, func.avg(epochs.c.val_mse), func.count())
                .join(ours, ours.c.trial_id == epochs.c.trial_id)
                .group_by(ours.c.number, epochs.c.epoch)
                .order_by(ours.c.number, epochs.c.epoch)
            ).all()
        assert [row.number for row in rows] == list(range(len(rows)))
        found = {
            row.number: Trial(
                state=row.state.name, attempt=row.attempt or 0, invalid=bool(row.invalid)
            )
            for row in rows
        }
        for number, epoch, error, n_seeds in curves:
            assert (epoch, n_seeds) == (len(found[number].curve) + 1, SEEDS)
            found[number].curve.append(error)
        return found

    def teardown(self) -> None:
        self.weather.away = self.weather.answer_lost = False
        with self._stack:  # what is patched here is so for the whole process
            for coordinator in (self.coordinator, *self.zombies):
                coordinator.kill()


def _as_optuna_has_them(trials: list[FrozenTrial]) -> dict[int, tuple[Any, ...]]:
    return {
        trial.number: (
            trial.state.name,
            list(trial.intermediate_values.values()),
            trial.value if trial.state.name == "COMPLETE" else None,
        )
        for trial in trials
    }


def _optunas(trial: Trial) -> tuple[Any, ...]:
    value = trial.curve[-1] if trial.state == "COMPLETE" else None
    return trial.state, trial.curve, value


def _without_waiting_for_the_disk(connection: Any, _record: object) -> None:
    # No machine loses its power here; processes that are killed lose nothing either way.
    connection.execute("PRAGMA synchronous = OFF")


def _late(spec: TrialSpec, kind: int, error: float) -> Event:
    return (
        epochs_done(spec, 1, error),
        trial_done(spec),
        TrialFailed(**attempt_of(spec), reason="late"),
        TrialDiverged(**attempt_of(spec), epoch=1, reason="late"),
        TrialStopped(**attempt_of(spec), epoch=1),
    )[kind]


def run(n_sequences: int, n_steps: int = 40) -> None:
    """So many sequences, the same ones every time."""
    run_state_machine_as_test(
        Sequences,
        settings=settings(
            max_examples=n_sequences,
            stateful_step_count=n_steps,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],  # a coordinator's threads make shrinking take minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
