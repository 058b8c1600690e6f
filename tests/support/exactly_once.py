"""Whether a study's rows are what they must be after whatever befell it: a list of what is wrong.

``watch`` is called on an empty store and notes in a table of its own, by triggers, each time that a
trial finishes; ``problems`` compares, when the study has finished, what the database holds with
itself, with Optuna's view through its own storage class, and with what was watched.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Engine, select, text

from sweep.config import TrialConfig
from sweep.enums import Outcome
from sweep.search.configurations import config_from_params
from sweep.store import schema
from sweep.store.engine import write_transaction
from sweep.store.handle import open_study
from sweep.studyfile import loads
from tests.support.simulated_worker import val_mse_of

#: Two sums of the same numbers in another order.
CLOSE = 1e-12

_FINISHED = "('COMPLETE', 'PRUNED', 'FAIL')"
_NOTE = "INSERT INTO chaos_finished (number, was, state) VALUES"
_WATCH_SQLITE = (
    "CREATE TABLE chaos_finished (number INTEGER, was TEXT, state TEXT)",
    f"CREATE TRIGGER chaos_insert AFTER INSERT ON trials WHEN NEW.state IN {_FINISHED} BEGIN "
    f"{_NOTE} (NEW.number, NULL, NEW.state); END",
    "CREATE TRIGGER chaos_update AFTER UPDATE ON trials WHEN "
    f"NEW.state IN {_FINISHED} OR OLD.state IN {_FINISHED} BEGIN "
    f"{_NOTE} (NEW.number, OLD.state, NEW.state); END",
)
_WATCH_POSTGRES = (
    "CREATE TABLE chaos_finished (number INTEGER, was TEXT, state TEXT)",
    f"""
    CREATE FUNCTION chaos_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'INSERT' THEN
            IF NEW.state::text IN {_FINISHED} THEN {_NOTE} (NEW.number, NULL, NEW.state::text);
            END IF;
        ELSIF NEW.state::text IN {_FINISHED} OR OLD.state::text IN {_FINISHED} THEN
            {_NOTE} (NEW.number, OLD.state::text, NEW.state::text);
        END IF;
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER chaos_watch AFTER INSERT OR UPDATE ON trials "
    "FOR EACH ROW EXECUTE FUNCTION chaos_note()",
)


def watch(engine: Engine) -> None:
    """Note from now on whenever a trial finishes, or changes after it has."""
    statements = _WATCH_SQLITE if engine.dialect.name == "sqlite" else _WATCH_POSTGRES
    with write_transaction(engine) as connection:
        for statement in statements:
            connection.execute(text(statement))


def problems(engine: Engine, url: str, name: str, *, simulated: bool) -> list[str]:
    """What is wrong with a finished study; ``simulated``: its workers were simulated ones."""
    study = open_study(engine, name).summary()
    theirs = optuna.load_study(study_name=name, storage=url).trials
    found = list(_of_states(theirs, study.n_trials, study.phase))
    found += _of_transitions(engine, theirs)
    found += _of_curves(engine, name, theirs)
    found += _of_views(engine, name, theirs)
    if simulated:
        found += _of_values(engine, name)
    return found + list(_of_the_file(engine))


def _of_states(trials: list[FrozenTrial], n_trials: int, phase: str) -> Iterator[str]:
    if phase != "finished":
        yield f"phase {phase}"
    if [trial.number for trial in trials] != list(range(n_trials)):
        yield f"{len(trials)} trials, not 0 to {n_trials - 1} once each"
    states = Counter(trial.state.name for trial in trials)
    if set(states) - {"COMPLETE", "PRUNED"}:
        yield f"states {dict(states)}"


def _of_transitions(engine: Engine, trials: list[FrozenTrial]) -> Iterator[str]:
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT number, was, state FROM chaos_finished")).all()
    finished = Counter(row.number for row in rows)
    for number, times in finished.items():
        if times != 1:
            yield f"trial {number} finished {times} times"
    if missing := {trial.number for trial in trials} - set(finished):
        yield f"trials {sorted(missing)} were never seen to finish"
    for row in rows:
        # From nothing or WAITING too: what befell it while the database was away lands in one go.
        if row.was not in (None, "WAITING", "RUNNING"):
            yield f"trial {row.number} went from {row.was} to {row.state}"


def _of_curves(engine: Engine, name: str, trials: list[FrozenTrial]) -> Iterator[str]:
    """Every epoch of every seed, from 1 to the last, and a result of every seed that ended."""
    ours = {row.number: row for row in open_study(engine, name).trials()}
    epochs = _by_number(engine, schema.sweep_epochs, lambda row: (row.seed_index, row.epoch))
    results = _by_number(engine, schema.sweep_results, lambda row: (row.seed_index, row.seed))
    for trial in trials:
        row = ours[trial.number]
        n_seeds, n_epochs = len(row.seeds), TrialConfig(**row.config).epochs
        if trial.state == TrialState.PRUNED:
            n_epochs = max(trial.intermediate_values, default=0)
        expected = [(seed, epoch) for seed in range(n_seeds) for epoch in range(1, n_epochs + 1)]
        if sorted(epochs[trial.number]) != expected:
            yield f"trial {trial.number}: epochs {sorted(epochs[trial.number])}"
        complete = trial.state == TrialState.COMPLETE
        if sorted(results[trial.number]) != (list(enumerate(row.seeds)) if complete else []):
            yield f"trial {trial.number}: results of {sorted(results[trial.number])}"


def _by_number(engine: Engine, table: Any, key: Callable[[Any], Any]) -> dict[int, list[Any]]:
    trials = schema.sweep_trials
    statement = select(trials.c.number, table).join(table, table.c.trial_id == trials.c.trial_id)
    found: dict[int, list[Any]] = defaultdict(list)
    with engine.connect() as connection:
        for row in connection.execute(statement):
            found[row.number].append(key(row))
    return found


def _of_views(engine: Engine, name: str, theirs: list[FrozenTrial]) -> Iterator[str]:
    """Optuna's states, values, parameters and intermediate values beside ours."""
    ours, curves = open_study(engine, name).trials(), open_study(engine, name).curves()
    study_file = loads(open_study(engine, name).record().study_file, name)
    outcomes = {TrialState.COMPLETE: Outcome.COMPLETE, TrialState.PRUNED: Outcome.PRUNED}
    if [row.number for row in ours] != [trial.number for trial in theirs]:
        yield f"{len(ours)} trials of ours, {len(theirs)} of Optuna's"
    for row, trial in zip(ours, theirs, strict=False):
        if (row.state, row.outcome) != (trial.state.name, outcomes.get(trial.state)):
            yield f"trial {trial.number}: {trial.state.name}, ours {row.state}, {row.outcome}"
        config, _ = config_from_params(study_file, trial.params)
        if TrialConfig(**row.config) != config:
            yield f"trial {trial.number}: {trial.params}, ours {row.config}"
        curve = {point.epoch: point.val_mse for point in curves.get(trial.number, [])}
        if not _close(curve, trial.intermediate_values):
            yield f"trial {trial.number}: {trial.intermediate_values}, ours {curve}"
        if trial.state == TrialState.COMPLETE and not _close(
            {0: row.val_mse, 1: curve.get(config.epochs)}, {0: trial.value, 1: trial.value}
        ):
            yield f"trial {trial.number}: value {trial.value}, ours {row.val_mse}"


def _of_values(engine: Engine, name: str) -> Iterator[str]:
    """Simulated workers report what configuration, seed and epoch give, whoever asks again."""
    for row in open_study(engine, name).trials():
        config = TrialConfig(**row.config)
        for index, points in open_study(engine, name).seed_curves(row.number).items():
            told = {point.epoch: point.val_mse for point in points}
            expected = {epoch: val_mse_of(config, row.seeds[index], epoch) for epoch in told}
            if not _close(told, expected):
                yield f"trial {row.number}, seed {index}: another's numbers"


def _of_the_file(engine: Engine) -> Iterator[str]:
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        if (verdict := connection.scalar(text("PRAGMA integrity_check"))) != "ok":
            yield f"integrity_check: {verdict}"
        if broken := connection.execute(text("PRAGMA foreign_key_check")).all():
            yield f"foreign_key_check: {broken[:3]}"


def _close(some: dict[int, float | None], others: dict[int, float | None]) -> bool:
    return some.keys() == others.keys() and all(
        a is not None and b is not None and abs(a - b) <= CLOSE
        for a, b in ((some[key], others[key]) for key in some)
    )
