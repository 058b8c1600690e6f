"""Write what a coordinator's tick produced, in one transaction under the study's lease.

The tick's rows are kept in memory until their transaction is committed, so an outage of the
database costs only time. If the answer to a commit was lost, the lease row, which counts the
transactions, shows whether it succeeded.
"""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import (
    Connection,
    Engine,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from sweep.enums import StudyPhase
from sweep.errors import StoreGoneError, SweepError
from sweep.messages import DatasetInfo, ProbeBaseline, SpectrumBands
from sweep.store import clock, kept_weights, lease, optuna_rows, reuse, revisions, schema
from sweep.store.engine import conflict_insert, write_transaction
from sweep.store.lookup import one_of
from sweep.store.measurements import add_probe_baselines
from sweep.store.recording import Changes, RecordingStorage

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

Row = dict[str, Any]

#: Memory of a row that waits, with Optuna's changes for it; measured 10 to 15 % below, for trials
#: of 1 to 50 epochs.
TRIAL_BYTES = 3000
RESULT_BYTES = 1000
EPOCH_BYTES = 600
#: Memory of a probe, a decomposition, and a singular value.
PROBE_BYTES = 2500
INSIDE_BYTES = 1000
SINGULAR_VALUE_BYTES = 40


@dataclass
class Rows:
    """Our own rows of one tick, by trial number if they belong to a trial."""

    trials: dict[int, Row] = field(default_factory=dict)
    epochs: dict[tuple[int, int, int], Row] = field(default_factory=dict)
    results: dict[tuple[int, int], Row] = field(default_factory=dict)
    reconstructions: dict[int, Row] = field(default_factory=dict)
    decompositions: dict[int, Row] = field(default_factory=dict)
    probes: dict[int, Row] = field(default_factory=dict)
    probe_baselines: list[ProbeBaseline] = field(default_factory=list)
    #: Artifact ids of weights that are no longer needed; their files are deleted afterwards.
    dropped_weights: dict[int, str] = field(default_factory=dict)
    workers: dict[str, Row] = field(default_factory=dict)
    events: list[Row] = field(default_factory=list)
    commands: dict[int, str] = field(default_factory=dict)
    study: Row = field(default_factory=dict)

    def changed_trials(self) -> set[int]:
        """Numbers of the trials that have a row here."""
        keyed = (*self.epochs, *self.results)
        by_number: tuple[Iterable[int], ...] = (
            *(self.trials, self.reconstructions, self.decompositions, self.probes),
            self.dropped_weights,
        )
        return {*(number for of in by_number for number in of), *(key[0] for key in keyed)}

    def about_bytes(self) -> int:
        """Estimate the memory of the rows.

        3,000 bytes for a trial, 2,500 for a probe, 1,000 for a result or decomposition (and 40 for
        a singular value), 600 for an epoch or event, and the size of the pictures.
        """
        rows = TRIAL_BYTES * len(self.trials) + RESULT_BYTES * len(self.results)
        rows += EPOCH_BYTES * (len(self.epochs) + len(self.events))
        pictures = sum(
            len(png) for row in self.reconstructions.values() for png in row.values() if png
        )
        decomposed = sum(
            INSIDE_BYTES + SINGULAR_VALUE_BYTES * len(row["decomposition"]["end_to_end"] or ())
            for row in self.decompositions.values()
        )
        probed = len(self.probes) + 2 * len(self.probe_baselines)
        return rows + pictures + decomposed + PROBE_BYTES * probed

    def forget_curves(self, number: int) -> None:
        """Drop the curve rows of a trial that starts over."""
        self.epochs = {key: row for key, row in self.epochs.items() if key[0] != number}


class StudyWriter:
    """Writer of one study's rows: Optuna's from the recording storage, ours from ``rows``."""

    def __init__(
        self,
        engine: Engine,
        study_id: int,
        token: str,
        storage: RecordingStorage,
        trial_ids: Mapping[int, int],  # number -> trial_id in the database
        provenance: Mapping[str, Any],
    ) -> None:
        self._provenance = dict(provenance)
        self.rows = Rows()
        self._engine = engine
        self._study_id = study_id
        self.token = token
        self._storage = storage
        self._trial_ids = dict(trial_ids)
        self._worker_ids: dict[str, int] = {}
        self._batch = 0
        self._pending: tuple[Changes, Rows] | None = None
        #: Held while a transaction is written: two writes of one batch would both find it not
        #: committed.
        self._writing = threading.Lock()

    @property
    def has_pending(self) -> bool:
        """Whether a staged transaction is not committed yet."""
        return self._pending is not None

    @property
    def pending_bytes(self) -> int:
        """Return the approximate memory of what waits to be written, staged or not."""
        staged = self._pending
        waiting = [self.rows] if staged is None else [self.rows, staged[1]]
        return sum(rows.about_bytes() for rows in waiting)

    @property
    def has_changes(self) -> bool:
        """Whether there is anything to write."""
        return self.has_pending or self.rows != Rows() or self._storage.changes != Changes()

    def note_run(self, about: Mapping[str, Any]) -> None:
        """Record where and with which versions a resumed study was continued."""
        self._provenance.setdefault("resumed", []).append(dict(about))
        self.rows.study["provenance"] = self._provenance

    def note_data(
        self, data: DatasetInfo, originals_png: bytes, spectrum: SpectrumBands | None = None
    ) -> None:
        """Add the data that the first worker read to the study's provenance."""
        self._provenance["data_sha256"] = data.sha256
        self._provenance["images"] = {
            **asdict(data.shape),
            "n_train": data.n_train,
            "n_test": data.n_test,
            "class_names": [*data.class_names],
        }
        bands = None if spectrum is None else asdict(spectrum)
        self.rows.study.update(
            provenance=self._provenance, originals_png=originals_png, spectrum_bands=bands
        )

    def flush(self) -> None:
        """Write what has accumulated, and renew the lease.

        Raises StoreError if the database is unavailable (nothing is lost: call again), NoRoomError
        if it is full, LeaseLostError if the study is no longer ours, StoreGoneError if the database
        has lost what it had confirmed.
        """
        if self._pending is not None:
            self.land()
        self.stage()
        self.land()

    def stage(self) -> None:
        """Make what has accumulated the next transaction, unless one is staged already."""
        if self._pending is None:
            self._pending = (self._storage.take_changes(), self.rows)
            self.rows = Rows()
            self._batch += 1

    def land(self) -> None:
        """Write what is staged, from any thread; raises as ``flush`` does."""
        with self._writing:
            if self._pending is not None:
                self._write(*self._pending)
                # Only now that no row refers to them.
                dropped = self._pending[1].dropped_weights.values()
                kept_weights.delete_files(self._engine, dropped)
                self._pending = None

    def _write(self, changes: Changes, rows: Rows) -> None:
        with write_transaction(self._engine) as connection:
            if self._has_landed(connection):
                self._learn_ids(connection, changes)
                return
            revision = self._advance(connection, changes, rows)
            lease.renew(connection, self._study_id, self.token, self._batch)
            new_ids = self._write_optuna(connection, changes)
            ids = {**self._trial_ids, **new_ids}
            workers = self._write_ours(connection, rows, ids)
            touched = changes.changed_trials() | rows.changed_trials()
            revisions.touch(connection, revision, [ids[number] for number in touched])
        # Only now that the transaction is committed.
        self._trial_ids.update(new_ids)
        self._worker_ids.update(workers)

    def _advance(self, connection: Connection, changes: Changes, rows: Rows) -> int:
        if changes == Changes() and rows == Rows():
            return 0  # the lease is renewed, and nothing is new to readers
        return revisions.advance(connection, self._study_id)

    def _has_landed(self, connection: Connection) -> bool:
        """Return whether this transaction was committed although its answer was lost."""
        batch: int | None = connection.scalar(
            select(schema.sweep_leases.c.batch).where(
                schema.sweep_leases.c.study_id == self._study_id,
                schema.sweep_leases.c.token == self.token,
            )
        )
        if batch is not None and batch < self._batch - 1:
            # The next rows would refer to rows that do not exist.
            raise StoreGoneError(
                "the database has lost what it had confirmed: a server took over that lagged "
                "behind, or a backup was put in its place. `sweep resume NAME` goes on from what "
                "is there, and trains again what is not."
            )
        return batch == self._batch

    def _learn_ids(self, connection: Connection, changes: Changes) -> None:
        self._trial_ids.update(self._find_ids(connection, sorted(changes.new_trials)))
        workers = connection.execute(
            select(schema.sweep_workers.c.name, schema.sweep_workers.c.worker_id)
            .where(schema.sweep_workers.c.study_id == self._study_id)
            .order_by(schema.sweep_workers.c.worker_id)  # of one name, the newest is ours
        )
        self._worker_ids.update({row.name: row.worker_id for row in workers})

    def _write_optuna(self, connection: Connection, changes: Changes) -> dict[int, int]:
        trials = changes.trials
        new_ids = self._insert_trials(connection, [trials[i] for i in sorted(changes.new_trials)])
        ids = {**self._trial_ids, **new_ids}
        restarted = [{"id": ids[number]} for number in sorted(changes.restarted)]
        if restarted:  # before anything of the new attempt is written, here or in our tables
            for table in schema.TABLES_OF_AN_ATTEMPT:
                statement = delete(table).where(table.c.trial_id == bindparam("id"))
                connection.execute(statement, restarted)
        touched = [trials[i] for i in sorted(changes.states)]
        _update_states(connection, [t for t in touched if t.number not in new_ids], ids)
        _upsert(
            connection,
            schema.trial_values,
            ("trial_id", "objective"),
            [
                row
                for trial in touched
                if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
                for row in optuna_rows.value_rows(ids[trial.number], trial.values or ())
            ],
        )
        _insert(connection, schema.trial_params, optuna_rows.param_rows(changes, ids))
        _upsert(
            connection,
            schema.trial_intermediate_values,
            ("trial_id", "step"),
            [
                row
                for number, steps in changes.intermediate.items()
                for row in optuna_rows.intermediate_rows(
                    ids[number],
                    {step: trials[number].intermediate_values[step] for step in steps},
                )
            ],
        )
        for table, noted, kind in (
            (schema.trial_user_attributes, changes.user_attrs, "user_attrs"),
            (schema.trial_system_attributes, changes.system_attrs, "system_attrs"),
        ):
            rows = optuna_rows.attribute_rows(trials, noted, kind, ids)
            _upsert(connection, table, ("trial_id", "key"), rows)
        self._write_study_attributes(connection, changes)
        return new_ids

    def _insert_trials(
        self, connection: Connection, trials: Sequence[FrozenTrial]
    ) -> dict[int, int]:
        if not trials:
            return {}
        connection.execute(
            insert(schema.trials),
            [
                {"number": t.number, "study_id": self._study_id, **optuna_rows.state_row(t)}
                for t in trials
            ],
        )
        # Look them up by number: RETURNING in the rows' order costs SQLite one statement per row.
        return self._find_ids(connection, [t.number for t in trials])

    def _find_ids(self, connection: Connection, numbers: Sequence[int]) -> dict[int, int]:
        table = schema.trials
        rows = connection.execute(
            select(table.c.number, table.c.trial_id).where(
                table.c.study_id == self._study_id, one_of(table.c.number, numbers)
            )
        )
        return {row.number: row.trial_id for row in rows}

    def _write_study_attributes(self, connection: Connection, changes: Changes) -> None:
        memory_id = self._storage.get_all_studies()[0]._study_id
        for table, keys, values in (
            (
                schema.study_user_attributes,
                changes.study_user_attrs,
                self._storage.get_study_user_attrs(memory_id),
            ),
            (
                schema.study_system_attributes,
                changes.study_system_attrs,
                self._storage.get_study_system_attrs(memory_id),
            ),
        ):
            rows = [
                {"study_id": self._study_id, "key": key, "value_json": json.dumps(values[key])}
                for key in sorted(keys)
            ]
            _upsert(connection, table, ("study_id", "key"), rows)

    def _write_ours(
        self, connection: Connection, rows: Rows, ids: Mapping[int, int]
    ) -> dict[str, int]:
        time = clock.read(connection)
        self._write_trials(connection, rows, ids, time)
        reuse.copy_metrics(connection, rows.trials, ids)
        _upsert(
            connection,
            schema.sweep_epochs,
            ("trial_id", "seed_index", "epoch"),
            [
                {"trial_id": ids[number], "seed_index": seed_index, "epoch": epoch, **row}
                for (number, seed_index, epoch), row in rows.epochs.items()
            ],
        )
        _upsert(
            connection,
            schema.sweep_results,
            ("trial_id", "seed_index"),
            [
                {"trial_id": ids[number], "seed_index": seed_index, **row}
                for (number, seed_index), row in rows.results.items()
            ],
        )
        for table, of_trials in (
            (schema.sweep_reconstructions, rows.reconstructions),
            (schema.sweep_decompositions, rows.decompositions),
            (schema.sweep_probes, rows.probes),
        ):
            with_ids = [{"trial_id": ids[number], **row} for number, row in of_trials.items()]
            _upsert(connection, table, ("trial_id",), with_ids)
        add_probe_baselines(connection, rows.probe_baselines)
        for number, artifact_id in rows.dropped_weights.items():
            kept_weights.forget_weights(connection, ids[number], artifact_id)
        if rows.events:
            connection.execute(
                insert(schema.sweep_events),
                [
                    {"at": time, "study_id": self._study_id, **_storable(event)}
                    for event in rows.events
                ],
            )
        for command_id, outcome in rows.commands.items():
            connection.execute(
                update(schema.sweep_commands)
                .where(schema.sweep_commands.c.command_id == command_id)
                .values(applied_at=time, **_storable({"outcome": outcome}))
            )
        if rows.study or rows.trials:
            connection.execute(
                update(schema.sweep_studies)
                .where(schema.sweep_studies.c.study_id == self._study_id)
                .values(updated_at=time, **_storable(rows.study))
            )
        return self._write_workers(connection, rows, time)

    def _write_trials(
        self, connection: Connection, rows: Rows, ids: Mapping[int, int], time: float
    ) -> None:
        # Rows with the same columns go into one statement, and a column that a row lacks keeps its
        # value.
        by_shape: dict[tuple[str, ...], dict[int, Row]] = {}
        for number, changed in rows.trials.items():
            row = {**changed}
            if "reason" in row:
                row |= _storable({"reason": row["reason"]})
            if "worker" in row:
                row["started_at"] = time
            if "outcome" in row:
                row["finished_at"] = time
            by_shape.setdefault(tuple(sorted(row)), {})[number] = row
        table, of_study = schema.sweep_trials, {"study_id": self._study_id}
        for shape, group in by_shape.items():
            if "attempt" in shape:
                absent = {**of_study, "config": {}, "seeds": [], "invalid": False}
                full = [
                    {**absent, "trial_id": ids[number], "number": number, **row}
                    for number, row in group.items()
                ]
                _upsert(connection, table, ("trial_id",), full, change=shape)
            else:  # dispatched before, so its row exists
                connection.execute(
                    update(table).where(table.c.trial_id == bindparam("id")),
                    [{"id": ids[number], **row} for number, row in group.items()],
                )

    def _write_workers(self, connection: Connection, rows: Rows, time: float) -> dict[str, int]:
        table = schema.sweep_workers
        new: dict[str, int] = {}
        for name, said in rows.workers.items():
            row = _storable(said)
            worker_id = self._worker_ids.get(name)
            if worker_id is None:
                new[name] = connection.execute(
                    insert(table)
                    .values(
                        study_id=self._study_id, name=name, started_at=time, seen_at=time, **row
                    )
                    .returning(table.c.worker_id)
                ).scalar_one()
            else:
                connection.execute(
                    update(table).where(table.c.worker_id == worker_id).values(seen_at=time, **row)
                )
        return new

    def abandon(self, because: str) -> None:
        """Give the study up after an error: write what can still be written, and release the lease.

        If a thread still waits for a database that does not answer, the lease is left to expire.
        """
        if self._writing.locked():
            return
        self.rows.study.update(phase=StudyPhase.FAILED, ended_because=because)
        with suppress(SweepError):
            self.flush()
        with suppress(SweepError):
            self.release()

    def release(self) -> None:
        """Release the lease."""
        with write_transaction(self._engine) as connection:
            lease.release(connection, self._study_id, self.token)


def _storable(row: Row) -> Row:
    """Replace what a database cannot store in texts.

    Texts of others, such as a process's last output, may contain any bytes. PostgreSQL rejects NUL,
    both databases reject lone surrogates.
    """
    return {
        name: value.replace("\0", "\ufffd").encode(errors="replace").decode()
        if isinstance(value, str)
        else value
        for name, value in row.items()
    }


def _update_states(
    connection: Connection, trials: Sequence[FrozenTrial], ids: Mapping[int, int]
) -> None:
    if not trials:
        return
    table = schema.trials
    connection.execute(
        update(table).where(table.c.trial_id == bindparam("id")),
        [{"id": ids[t.number], **optuna_rows.state_row(t)} for t in trials],
    )


def _insert(connection: Connection, table: Any, rows: Sequence[Row]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _upsert(
    connection: Connection,
    table: Any,
    keys: Sequence[str],
    rows: Sequence[Row],
    *,
    change: Sequence[str] | None = None,
) -> None:
    """Insert rows; if the key exists, update the row (the columns named, else all)."""
    if not rows:
        return
    columns = change if change is not None else [name for name in rows[0] if name not in keys]
    statement = _upsert_statement(connection.dialect.name, table, tuple(keys), tuple(columns))
    connection.execute(statement, rows)


@cache
def _upsert_statement(
    dialect: str, table: Any, keys: tuple[str, ...], columns: tuple[str, ...]
) -> "sqlite.Insert | postgresql.Insert":
    """Build an upsert once: naming its columns takes SQLAlchemy a third of a write's time."""
    statement = conflict_insert(dialect, table)
    if not columns:
        return statement.on_conflict_do_nothing(index_elements=list(keys))
    return statement.on_conflict_do_update(
        index_elements=list(keys), set_={name: statement.excluded[name] for name in columns}
    )
