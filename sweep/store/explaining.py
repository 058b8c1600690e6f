"""Studies that were trained to explain another one: an attribute of theirs says which, and what."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, Row, Select, func, select

from sweep.store.lookup import find_study, snapshot
from sweep.store.schema import studies, study_user_attributes, sweep_studies, sweep_trials

#: The attribute, Optuna's and visible to its users.
EXPLAINS = "sweep_explains"


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The two configurations that a study goes between."""

    #: The study that they are of.
    study: str
    #: When that one was made, by its database's clock: another may have its name by now, but no
    #: other was made then, and a copy keeps it. None where it was stored before this was kept.
    study_created_at: float | None = None
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


class Stranger(NamedTuple):
    """A study that explains one of this name, but not this one."""

    child: str
    #: In words.
    because: str


def explained_by(engine: Engine, name: str) -> Explained | None:
    """What a study explains; None where it explains none. Raises NotFoundError without it."""
    with snapshot(engine) as connection:
        study_id = find_study(connection, name)
        text = connection.scalar(
            _CHILDREN.with_only_columns(study_user_attributes.c.value_json).where(
                studies.c.study_id == study_id
            )
        )
    return None if text is None else Explained(**json.loads(text))


def explaining(engine: Engine, name: str) -> dict[str, Explained]:
    """The studies that explain this one, by name; that which was run last comes last."""
    with snapshot(engine) as connection:
        return {
            child.study_name: of
            for child, of, because in _children(connection, name)
            if because is None
        }


def strangers(engine: Engine, name: str) -> list[Stranger]:
    """The studies that explain another one that had, or has elsewhere, this one's name."""
    with snapshot(engine) as connection:
        return [
            Stranger(child.study_name, because)
            for child, _, because in _children(connection, name)
            if because is not None
        ]


def trained_so_far(engine: Engine, name: str) -> str:
    """A text that differs once more, or less, is trained of what explains a study of this name.

    One cheap statement, as ``revisions.revision`` is. Trials that ended count, their epochs don't:
    while one trains there is nothing new to tell.
    """
    of_child = (sweep_trials.c.study_id == studies.c.study_id, sweep_trials.c.finished_at > 0)
    last = select(func.max(sweep_trials.c.revision)).where(*of_child).scalar_subquery()
    query = _CHILDREN.with_only_columns(
        studies.c.study_id,
        sweep_studies.c.created_at,
        study_user_attributes.c.value_json,
        last.label("revision"),
    )
    with snapshot(engine) as connection:
        rows = connection.execute(query.order_by(None).order_by(studies.c.study_id))
        return " ".join(
            f"{row.study_id}-{row.created_at:.3f}-{row.revision}"
            for row in rows
            if json.loads(row.value_json)["study"] == name
        )


def _children(
    connection: Connection, name: str
) -> Iterator[tuple[Row[Any], Explained, str | None]]:
    """All that name this study, and why they are not of it."""
    study_id = find_study(connection, name)
    study = connection.execute(
        select(sweep_studies.c.created_at, sweep_studies.c.provenance).where(
            sweep_studies.c.study_id == study_id
        )
    ).one()
    for child in connection.execute(_CHILDREN):
        of = Explained(**json.loads(child.value_json))
        if of.study == name:
            yield child, of, _why_not(study, child, of)


def _why_not(study: Row[Any, Any], child: Row[Any], of: Explained) -> str | None:
    """What tells that a child explains another study of that name; None where nothing does."""
    if of.study_created_at is None:
        is_another = child.created_at < study.created_at
    else:
        is_another = of.study_created_at != study.created_at
    if is_another:
        return f"explains another study that was called '{of.study}'"
    hashes = {row.provenance.get("data_sha256") for row in (study, child)} - {None}
    return f"was trained on other data than '{of.study}'" if len(hashes) > 1 else None


_CHILDREN: Select[Any] = (
    select(
        studies.c.study_name,
        study_user_attributes.c.value_json,
        sweep_studies.c.created_at,
        sweep_studies.c.provenance,
    )
    .join(study_user_attributes, study_user_attributes.c.study_id == studies.c.study_id)
    .join(sweep_studies, sweep_studies.c.study_id == studies.c.study_id)
    .where(study_user_attributes.c.key == EXPLAINS)
    .order_by(sweep_studies.c.updated_at, studies.c.study_id)
)
