"""Studies that were trained to explain another one: an attribute of theirs says which, and what."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Engine, Select, select

from sweep.store.lookup import find_study, snapshot
from sweep.store.schema import studies, study_user_attributes, sweep_studies

#: The attribute, Optuna's and visible to its users.
EXPLAINS = "sweep_explains"


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The two configurations that a study goes between."""

    #: The study that they are of.
    study: str
    #: Trials of that study; None for a baseline that is none of its trials.
    from_number: int | None
    to_number: int
    #: trial.TrialConfig in full.
    baseline: Mapping[str, Any]
    target: Mapping[str, Any]

    @property
    def attributes(self) -> dict[str, Any]:
        """What the explaining study keeps of it."""
        return {EXPLAINS: asdict(self)}


def explained_by(engine: Engine, name: str) -> Explained | None:
    """What a study explains; None where it explains none. Raises NotFoundError without it."""
    with snapshot(engine) as connection:
        study_id = find_study(connection, name)
        text = connection.scalar(
            _ATTRIBUTES.with_only_columns(study_user_attributes.c.value_json).where(
                studies.c.study_id == study_id
            )
        )
    return None if text is None else Explained(**json.loads(text))


def explaining(engine: Engine, name: str) -> dict[str, Explained]:
    """The studies that explain this one, by name; that which was run last comes last."""
    with snapshot(engine) as connection:
        find_study(connection, name)
        rows = connection.execute(_ATTRIBUTES).all()
    found = {row.study_name: Explained(**json.loads(row.value_json)) for row in rows}
    return {child: of for child, of in found.items() if of.study == name}


_ATTRIBUTES: Select[Any] = (
    select(studies.c.study_name, study_user_attributes.c.value_json)
    .join(study_user_attributes, study_user_attributes.c.study_id == studies.c.study_id)
    .join(sweep_studies, sweep_studies.c.study_id == studies.c.study_id)
    .where(study_user_attributes.c.key == EXPLAINS)
    .order_by(sweep_studies.c.updated_at, studies.c.study_id)
)
