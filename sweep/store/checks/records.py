"""Check trials: their numbers, and the rows that are derived from their records.

The row of ``sweep_trials``, the epochs and the results of each seed are the truth. The trial's
means and Optuna's rows are derived from them: they are compared and rewritten as a unit.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from optuna.trial import TrialState
from sqlalchemy import Row, delete, func, insert, select, update

from sweep.catalogue.settings import by_setting, setting_of
from sweep.enums import Outcome
from sweep.errors import StudyFileError
from sweep.store import clock, optuna_rows, schema
from sweep.store.checks.types import AGAIN, ExaminedStudy, Fault, train_again
from sweep.store.optuna_rows import Param, Projection
from sweep.store.schema import sweep_studies, trials
from sweep.store.schema import sweep_trials as ours
from sweep.store.trial_records import mean_results, read_objectives, read_records
from sweep.studyfile import Node, StudyFile, loads
from sweep.studyfile.space import searched_nodes_of

# --- the study file -------------------------------------------------------------------------------


def find_study_file(study: ExaminedStudy) -> Iterator[Fault]:
    """Find a stored study file that cannot be read."""
    try:
        _stored_study_file(study)
    except StudyFileError as error:
        what = f"the study can't be resumed: {error}"
        yield Fault(check="study file", what=what, remedy="restore a backup")


def _stored_study_file(study: ExaminedStudy) -> StudyFile:
    query = select(sweep_studies.c.study_file).where(sweep_studies.c.study_id == study.study_id)
    text = study.connection.execute(query).scalar_one()
    return loads(text, "its stored study file", check_packages=False)


# --- numbers --------------------------------------------------------------------------------------


def find_numbers(study: ExaminedStudy) -> Iterator[Fault]:
    """Find trials that share a number, and numbers without a trial."""
    query = select(trials.c.trial_id, trials.c.number).where(trials.c.study_id == study.study_id)
    rows = study.connection.execute(query.order_by(trials.c.number, trials.c.trial_id)).all()
    seen: set[int] = set()
    for row in rows:
        if row.number in seen:
            yield Fault(
                check="number",
                number=row.number,
                trial_id=row.trial_id,
                what="two trials have this number",
                remedy="--repair gives the later one the next free number",
                repair=partial(_renumber, study, row.trial_id),
            )
        seen.add(row.number)
    for number in sorted({*range(max(seen, default=-1) + 1)} - seen):
        yield Fault(
            check="number",
            number=number,
            what="no trial has this number, and the study can't be resumed",
            remedy="--repair adds a failed trial with it",
            repair=partial(_fill, study, number),
        )


def _renumber(study: ExaminedStudy, trial_id: int) -> None:
    of_study = trials.c.study_id == study.study_id
    query = select(func.max(trials.c.number)).where(of_study)
    highest = study.connection.execute(query).scalar_one()
    for table in (trials, ours):
        study.connection.execute(
            update(table).where(table.c.trial_id == trial_id).values(number=highest + 1)
        )


def _fill(study: ExaminedStudy, number: int) -> None:
    row = {"study_id": study.study_id, "number": number, "state": TrialState.FAIL}
    study.connection.execute(insert(trials).values(row))  # the next check adds its record


# --- records --------------------------------------------------------------------------------------


def find_records(study: ExaminedStudy) -> Iterator[Fault]:
    """Find trials without a record, incomplete records, and rows that differ from the record."""
    records = _Records(study)
    for trial_id, number in records.numbers.items():
        finding = partial(Fault, check="record", number=number, trial_id=trial_id)
        state, row = records.stored[trial_id].state, records.rows.get(trial_id)
        if row is None:
            again = not (state == TrialState.WAITING or state == TrialState.FAIL)
            yield finding(
                what="has a row in Optuna's tables and none in sweep_trials",
                remedy=f"--repair adds one{f', and {AGAIN}' if again else ''}",
                repair=partial(
                    _add_record, study, trial_id, number, state, records.stored_values(trial_id)
                ),
            )
            continue
        if row.number != number:
            yield finding(
                what=f"is number {row.number} in sweep_trials",
                remedy="--repair gives it Optuna's number",
                repair=partial(_update, study, trial_id, {"number": number}),
            )
        if lack := records.lack(trial_id):
            repair = partial(records.train_again, trial_id)
            yield finding(what=lack, remedy=f"--repair {AGAIN}", repair=repair)
        elif wrong := records.differences(trial_id):
            yield finding(
                what=f"differs from its epochs and results: {', '.join(wrong)}",
                remedy="--repair rewrites what is derived from them",
                repair=partial(records.rewrite, trial_id),
            )
        for name, param in records.wrong_params(trial_id).items():
            if not param.is_storable:
                yield finding(
                    what=f"has {setting_of(name)} {param.value!r} in its configuration, which is "
                    f"not a choice of Optuna's parameter {name}",
                    remedy=f"restore a backup, or `sweep invalidate` trial {number}",
                )
    for trial_id in records.rows.keys() - records.numbers.keys():
        yield Fault(
            check="record",
            number=records.rows[trial_id].number,
            trial_id=trial_id,
            what="has a row in sweep_trials and none in Optuna's tables",
            remedy="--repair deletes it with its curve",
            repair=partial(_delete_record, study, trial_id),
        )


def _update(study: ExaminedStudy, trial_id: int, columns: Mapping[str, Any]) -> None:
    study.connection.execute(update(ours).where(ours.c.trial_id == trial_id).values(columns))


def _add_record(
    study: ExaminedStudy, trial_id: int, number: int, state: TrialState, params: Mapping[str, Any]
) -> None:
    connection = study.connection
    row = {
        "trial_id": trial_id,
        "study_id": study.study_id,
        "number": number,
        "attempt": 0,
        "config": by_setting(params),
        "seeds": [],
        "invalid": False,
    }
    if state == TrialState.FAIL:
        row["outcome"] = Outcome.FAILED
        row["reason"] = "its row was lost; sweep doctor made this one"
        row["finished_at"] = clock.read(connection)
    connection.execute(insert(ours).values(row))
    if state != TrialState.FAIL:
        train_again(study, trial_id)


def _delete_record(study: ExaminedStudy, trial_id: int) -> None:
    own = [table for table in schema.TABLES_OF_AN_ATTEMPT if table.name.startswith("sweep_")]
    for table in (*own, schema.sweep_notes, schema.sweep_tags, ours):
        study.connection.execute(delete(table).where(table.c.trial_id == trial_id))


class _Records:
    """Records of the study, what is derived from them, and what is stored, by trial id."""

    def __init__(self, study: ExaminedStudy) -> None:
        self._study = study
        connection, study_id = study.connection, study.study_id
        query = select(trials.c.trial_id, trials.c.number).where(trials.c.study_id == study_id)
        numbered = connection.execute(query.order_by(trials.c.number))
        self.numbers = {row.trial_id: row.number for row in numbered}
        query = select(ours).where(ours.c.study_id == study_id).order_by(ours.c.number)
        self.rows: dict[int, Any] = {row.trial_id: row for row in connection.execute(query)}
        self._ids = {number: trial_id for trial_id, number in self.numbers.items()}
        self._errors = _errors(study)
        self._results = _results(study)
        self.stored = optuna_rows.load_projections(connection, study_id)
        self._params = optuna_rows.load_params(connection, study_id)
        self._nodes = _nodes(study)
        records = {
            trial_id: record._replace(
                number=self.numbers[trial_id],
                outcome=self._outcome(trial_id),
                val_mse=self._columns(trial_id).get("val_mse"),
            )
            for trial_id, record in read_records(connection, study_id).items()
            if trial_id in self.numbers
        }
        self._projected = optuna_rows.project(records, read_objectives(connection, study_id))
        for trial_id, projection in self._projected.items():
            stored = self.stored[trial_id]
            if projection.state == TrialState.WAITING and not stored.state.is_finished():
                self._projected[trial_id] = projection._replace(
                    state=stored.state, values=stored.values
                )

    def _outcome(self, trial_id: int) -> str | None:
        """Return the outcome that the results prove, else the recorded one."""
        row = self.rows[trial_id]
        if row.outcome is None and not self.stored[trial_id].state.is_finished():
            return None
        outcome: str | None = row.outcome
        return outcome if self._gap(trial_id) else Outcome.COMPLETE

    def _gap(self, trial_id: int) -> str | None:
        """Describe what the seeds lack for a complete training."""
        row = self.rows[trial_id]
        n_seeds, n_results = len(row.seeds), len(self._results[trial_id])
        if not n_seeds:
            return "is complete without seeds"
        if gap := self._curve_gap(trial_id, row.config.get("epochs") or 0):
            return gap
        if n_results != n_seeds:
            return f"has test results of {n_results} of {n_seeds} seeds"
        return None

    def _curve_gap(self, trial_id: int, n_epochs: int) -> str | None:
        n_there, expected = len(self._errors[trial_id]), n_epochs * len(self.rows[trial_id].seeds)
        if n_there == expected:
            return None
        return f"its curve has {n_there:,} of {expected:,} epochs"

    def lack(self, trial_id: int) -> str | None:
        """Describe what a finished trial lacks for its outcome; None if it is complete."""
        row, state = self.rows[trial_id], self.stored[trial_id].state
        match self._outcome(trial_id):
            case None:
                open_too = not state.is_finished()
                return None if open_too else f"is {state.name}, but has no outcome"
            case Outcome.COMPLETE:
                return self._gap(trial_id)
            case Outcome.REUSED:
                twin = self._ids.get(row.reused_from)
                if twin not in self.rows or self._gap(twin):
                    return f"has the results of trial {row.reused_from}, which has none"
                return None
            case Outcome.PRUNED | Outcome.TIMED_OUT if row.seeds:
                last = max((epoch for epoch, _ in self._errors[trial_id]), default=0)
                return self._curve_gap(trial_id, last)
        return None

    def _columns(self, trial_id: int) -> dict[str, Any]:
        """Compute the derived columns of ``sweep_trials``."""
        row, outcome = self.rows[trial_id], self._outcome(trial_id)
        trained = row
        if outcome == Outcome.REUSED:
            trained = self.rows.get(self._ids.get(row.reused_from, trial_id), row)
        if outcome not in (Outcome.COMPLETE, Outcome.REUSED) or self._gap(trained.trial_id):
            return {"outcome": outcome}
        of, last = trained.trial_id, trained.config["epochs"]
        errors = [self._errors[of][last, index] for index in range(len(trained.seeds))]
        means = mean_results(self._results[of], errors)
        return {"outcome": outcome, **means, "n_parameters": trained.n_parameters}

    def differences(self, trial_id: int) -> list[str]:
        """Name the stored values that differ from those derived from the record."""
        row, expected = self.rows[trial_id], self._columns(trial_id)
        wrong = [
            f"{name} is {getattr(row, name)} instead of {value}"
            for name, value in expected.items()
            if getattr(row, name) != value
        ]
        stored, projected = self.stored[trial_id], self._projected[trial_id]
        pairs = zip(Projection._fields, stored, projected, strict=True)
        wrong += [
            f"Optuna's {name.replace('_', ' ')}" for name, one, other in pairs if one != other
        ]
        return wrong + [f"Optuna's parameter {name}" for name in self._storable_params(trial_id)]

    def stored_values(self, trial_id: int) -> dict[str, Any]:
        """Return the stored values of a trial's Optuna parameters."""
        return {name: param.value for name, param in self._params.get(trial_id, {}).items()}

    def wrong_params(self, trial_id: int) -> dict[str, Param]:
        """Return the parameters, derived from the configuration, that are not stored as such.

        Their distributions are the stored ones, or the study file's if a parameter is missing.
        """
        row, stored = self.rows[trial_id], self._params.get(trial_id, {})
        settings = {**row.config, **({"seed": row.seeds[0]} if row.seeds else {})}
        distributions = {
            node.name: optuna_rows.to_distribution(node.domain)
            for node in searched_nodes_of(self._nodes, settings)
        } | {name: param.distribution for name, param in stored.items()}
        return {
            name: Param(settings[setting], distribution)
            for name, distribution in distributions.items()
            if (setting := setting_of(name)) in settings
            and not (name in stored and stored[name].value == settings[setting])
        }

    def _storable_params(self, trial_id: int) -> dict[str, Param]:
        wrong = self.wrong_params(trial_id)
        return {name: param for name, param in wrong.items() if param.is_storable}

    def train_again(self, trial_id: int) -> None:
        """Reset the trial to WAITING, with its configuration."""
        train_again(self._study, trial_id)
        self._rewrite_params(trial_id)

    def rewrite(self, trial_id: int) -> None:
        """Store what is derived from the record."""
        columns = self._columns(trial_id)
        if columns["outcome"] is not None and self.rows[trial_id].finished_at is None:
            columns["finished_at"] = clock.read(self._study.connection)
        _update(self._study, trial_id, columns)
        optuna_rows.rewrite(self._study.connection, trial_id, self._projected[trial_id])
        self._rewrite_params(trial_id)

    def _rewrite_params(self, trial_id: int) -> None:
        params = self._storable_params(trial_id)
        optuna_rows.rewrite_params(self._study.connection, trial_id, params)


def _nodes(study: ExaminedStudy) -> tuple[Node, ...]:
    """Return the search space.

    Empty if the study file cannot be read, which is another check's fault.
    """
    try:
        return _stored_study_file(study).space.nodes
    except StudyFileError:
        return ()


def _errors(study: ExaminedStudy) -> dict[int, dict[tuple[int, int], float | None]]:
    """Read validation errors by trial id, then by epoch and index of the seed."""
    table = schema.sweep_epochs
    query = (
        select(table.c.trial_id, table.c.epoch, table.c.seed_index, table.c.val_mse)
        .join(trials, trials.c.trial_id == table.c.trial_id)
        .where(trials.c.study_id == study.study_id)
    )
    found: dict[int, dict[tuple[int, int], float | None]] = defaultdict(dict)
    for trial_id, epoch, seed_index, error in study.connection.execute(query):
        found[trial_id][epoch, seed_index] = error
    return found


def _results(study: ExaminedStudy) -> dict[int, list[Row[Any]]]:
    """Read test results by trial id, in the order of the seeds."""
    table = schema.sweep_results
    query = (
        select(table)
        .join(trials, trials.c.trial_id == table.c.trial_id)
        .where(trials.c.study_id == study.study_id)
        .order_by(table.c.trial_id, table.c.seed_index)
    )
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in study.connection.execute(query):
        found[row.trial_id].append(row)
    return found
