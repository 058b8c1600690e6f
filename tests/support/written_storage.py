"""A storage that Optuna's own suite can test, made of our writer and Optuna's reader.

Every change goes into a RecordingStorage; its StudyWriter flushes before a question, which is
answered by ``optuna.storages.RDBStorage`` from the same database. So the suite's expectations of
a storage become expectations of the rows that we write.
"""

import json
import uuid
from collections.abc import Container, Iterator, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._base import DEFAULT_STUDY_NAME_PREFIX
from optuna.study._frozen import FrozenStudy
from optuna.study._study_direction import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Engine, select, update

from sweep.store import annotate, schema
from sweep.store.engine import write_transaction
from sweep.store.recording import RecordingStorage
from sweep.store.study import OpenStudy, create_study, hold_study
from tests.support.study_factories import new_study


class WrittenStorage(BaseStorage):
    """Studies held by this process, each with its writer; read by Optuna."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        url = engine.url.render_as_string(hide_password=False)
        self._reader = RDBStorage(url, skip_compatibility_check=True)
        self._opened: dict[int, OpenStudy] = {}
        self._places: dict[int, tuple[int, int]] = {}  # study and number of a trial

    # --- studies ----------------------------------------------------------------------------

    def create_new_study(
        self, directions: Sequence[StudyDirection], study_name: str | None = None
    ) -> int:
        name = f"{DEFAULT_STUDY_NAME_PREFIX}{uuid.uuid4()}" if study_name is None else study_name
        if not create_study(self._engine, new_study(name, len(directions))):
            raise DuplicatedStudyError
        self._direct(name, directions)
        opened = hold_study(self._engine, name)
        # What hold_study makes of our studies, which only ever minimise.
        opened.storage._studies[0].directions = list(directions)
        self._opened[opened.study_id] = opened
        return opened.study_id

    def _direct(self, name: str, directions: Sequence[StudyDirection]) -> None:
        table = schema.study_directions
        with write_transaction(self._engine) as connection:
            named = select(schema.studies.c.study_id).where(schema.studies.c.study_name == name)
            study_id = connection.scalar(named)
            for objective, direction in enumerate(directions):
                connection.execute(
                    update(table)
                    .where(table.c.study_id == study_id, table.c.objective == objective)
                    .values(direction=direction)
                )

    def delete_study(self, study_id: int) -> None:
        opened = self._opened.pop(study_id)
        opened.writer.release()
        annotate.delete_study(self._engine, opened.name)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        self._opened[study_id].storage.set_study_user_attr(0, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        self._opened[study_id].storage.set_study_system_attr(0, key, value)

    # --- trials -----------------------------------------------------------------------------

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        storage = self._opened[study_id].storage
        number = storage.create_new_trial(0, template_trial)
        trial_id = self._optuna.get_trial_id_from_study_id_trial_number(study_id, number)
        self._places[trial_id] = (study_id, number)
        return trial_id

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        number, storage = self._place(trial_id)
        storage.set_trial_param(number, param_name, param_value_internal, distribution)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        number, storage = self._place(trial_id)
        return storage.set_trial_state_values(number, state, values)

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        number, storage = self._place(trial_id)
        storage.set_trial_intermediate_value(number, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        number, storage = self._place(trial_id)
        storage.set_trial_user_attr(number, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        number, storage = self._place(trial_id)
        storage.set_trial_system_attr(number, key, value)

    def _place(self, trial_id: int) -> tuple[int, RecordingStorage]:
        """The number of a trial, which in memory is its id too, and where it is kept."""
        study_id, number = self._places[trial_id]
        return number, self._opened[study_id].storage

    @property
    def _optuna(self) -> RDBStorage:
        for opened in self._opened.values():
            if opened.writer.has_changes:
                opened.writer.flush()
        return self._reader

    # --- questions, which Optuna answers ------------------------------------------------------

    def get_study_id_from_name(self, study_name: str) -> int:
        return self._optuna.get_study_id_from_name(study_name)

    def get_study_name_from_id(self, study_id: int) -> str:
        return self._optuna.get_study_name_from_id(study_id)

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        return self._optuna.get_study_directions(study_id)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        return self._optuna.get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        return self._optuna.get_study_system_attrs(study_id)

    def get_all_studies(self) -> list[FrozenStudy]:
        return self._optuna.get_all_studies()

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        return self._optuna.get_trial_id_from_study_id_trial_number(study_id, trial_number)

    def get_trial_number_from_id(self, trial_id: int) -> int:
        return self._optuna.get_trial_number_from_id(trial_id)

    def get_trial_param(self, trial_id: int, param_name: str) -> float:
        return self._optuna.get_trial_param(trial_id, param_name)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        return self._optuna.get_trial(trial_id)

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        return self._optuna.get_best_trial(study_id)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        return self._optuna.get_all_trials(study_id, deepcopy, states)

    def in_both(self) -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
        """The trials of each study as Optuna reads them, and as they are in memory."""
        for study_id, opened in self._opened.items():
            yield (
                describe(self._optuna.get_all_trials(study_id)),
                describe(opened.storage.own_trials()),
            )

    def close(self) -> None:
        for study_id in list(self._opened):
            self.delete_study(study_id)
        self._reader.engine.dispose()


def describe(trials: Sequence[FrozenTrial]) -> list[dict[str, Any]]:
    """All that trials say, but their ids; as texts, so that NaN is like NaN."""
    return [
        {
            "number": trial.number,
            "state": trial.state,
            "values": repr([float(value) for value in trial.values or ()]),
            "intermediate": repr(
                {k: float(v) for k, v in sorted(trial.intermediate_values.items())}
            ),
            "params": {
                name: (repr(float(distribution.to_internal_repr(trial.params[name]))), distribution)
                for name, distribution in trial.distributions.items()
            },
            "order": list(trial.params),
            "user": json.dumps(trial.user_attrs, sort_keys=True),
            "system": json.dumps(trial.system_attrs, sort_keys=True),
            "times": (trial.datetime_start, trial.datetime_complete),
        }
        for trial in trials
    ]
