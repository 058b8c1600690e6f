"""Read derived studies: an attribute says for which study they were trained, and why."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from shlex import quote
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, Row, Select, func, select

from sweep.enums import AblationMethod
from sweep.store.lookup import StudyKey, is_study, no_such_study
from sweep.store.schema import studies, study_user_attributes, sweep_studies, sweep_trials


class DerivedKind(StrEnum):
    """What a derived study is for: the name of its attribute, which users of Optuna see too."""

    EXPLAINS = "sweep_explains"
    RETRAINS = "sweep_retrains"


_VERBS = {DerivedKind.EXPLAINS: "explains", DerivedKind.RETRAINS: "retrains"}


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The two configurations that an explanation connects."""

    #: The study that they belong to.
    study: str
    #: When that study was created, by its database's clock. It identifies the study: another may
    #: have taken over its name, and a copy keeps the time.
    study_created_at: float
    #: Trial number in that study; None for a baseline that is none of its trials.
    from_number: int | None
    #: Whether it starts at the study's baseline, as of the beginning of the explanation.
    from_baseline: bool
    to_number: int
    #: config.TrialConfig in full.
    baseline: Mapping[str, Any]
    target: Mapping[str, Any]
    method: AblationMethod = AblationMethod.PATH

    @property
    def attributes(self) -> dict[str, Any]:
        """Return the attribute of the explaining study."""
        return {DerivedKind.EXPLAINS.value: asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """The trials whose configurations a study trains again."""

    #: The study that they belong to.
    study: str
    #: When that study was created: see ``Explained``.
    study_created_at: float
    #: The best first; trial i of the retraining study is the i-th of these.
    numbers: Sequence[int]

    @property
    def attributes(self) -> dict[str, Any]:
        """Return the attribute of the retraining study."""
        return {DerivedKind.RETRAINS.value: asdict(self)}


Derived = Explained | Retrained

_ADAPTERS: Mapping[DerivedKind, TypeAdapter[Derived]] = {
    DerivedKind.EXPLAINS: TypeAdapter(Explained),
    DerivedKind.RETRAINS: TypeAdapter(Retrained),
}


class Child(NamedTuple):
    """A study whose attribute says that it was trained for the study of some name."""

    name: str
    attribute: Derived
    #: Why it does not belong to the study that now has the name; None if it does.
    why_not: str | None


class MismatchedStudy(NamedTuple):
    """A study that was trained for a study of this name, but not for this one."""

    child: str
    #: The reason, in words.
    because: str

    @property
    def sentence(self) -> str:
        """Return a message to users: why the study is ignored, and how to remove it."""
        child, because = self
        removes = f"`sweep delete {quote(child)}` removes it"
        return f"Study '{child}' {because}, so it is ignored here; {removes}."


def attribute_of(connection: Connection, key: StudyKey, kind: DerivedKind) -> Derived | None:
    """Return the attribute that says what a study was trained for; None without a valid one."""
    text = connection.scalar(
        _CHILDREN.with_only_columns(study_user_attributes.c.value_json).where(
            studies.c.study_id == key.current_id, study_user_attributes.c.key == kind
        )
    )
    return None if text is None else _parse(kind, text)


def children(connection: Connection, key: StudyKey, kind: DerivedKind) -> list[Child]:
    """Return the studies that were trained for a study of this name; the latest run comes last."""
    own = select(sweep_studies.c.created_at, sweep_studies.c.provenance).where(is_study(key))
    study = connection.execute(own).one_or_none()
    if study is None:
        raise no_such_study(connection, key)
    found = []
    for row in connection.execute(_CHILDREN.where(study_user_attributes.c.key == kind)):
        attribute = _parse(row.key, row.value_json)
        if attribute is not None and attribute.study == key:
            found.append(Child(row.study_name, attribute, _why_not(study, row, attribute, kind)))
    return found


def parents(connection: Connection) -> dict[str, str]:
    """Return the parent study of each derived study, by name.

    Derived studies are left out if their parent was deleted or if its name was given to another
    study.
    """
    derived = _CHILDREN.with_only_columns(
        studies.c.study_name, study_user_attributes.c.key, study_user_attributes.c.value_json
    ).order_by(None)
    found = {
        row.study_name: (of.study, of.study_created_at)
        for row in connection.execute(derived)
        if (of := _parse(row.key, row.value_json)) is not None
    }
    if not found:
        return {}
    query = select(studies.c.study_name, sweep_studies.c.created_at).join(
        sweep_studies, sweep_studies.c.study_id == studies.c.study_id
    )
    names = {name for name, _ in found.values()}
    of_name = dict(connection.execute(query.where(studies.c.study_name.in_(names))).all())
    return {child: name for child, (name, at) in found.items() if of_name.get(name) == at}


def trials_fingerprint(connection: Connection, key: StudyKey) -> str:
    """Return a text that changes whenever a study derived from this name gains or loses a trial.

    It is one cheap statement, as ``revisions.revision`` is. Finished trials count, their epochs
    don't: a running trial has no result to show yet.
    """
    of_child = (sweep_trials.c.study_id == studies.c.study_id, sweep_trials.c.finished_at > 0)
    last = select(func.max(sweep_trials.c.revision)).where(*of_child).scalar_subquery()
    query = _CHILDREN.with_only_columns(
        studies.c.study_id,
        sweep_studies.c.created_at,
        study_user_attributes.c.key,
        study_user_attributes.c.value_json,
        last.label("revision"),
    )
    rows = connection.execute(query.order_by(None).order_by(studies.c.study_id))
    return " ".join(
        f"{row.study_id}-{row.created_at:.3f}-{row.revision}"
        for row in rows
        if (of := _parse(row.key, row.value_json)) is not None and of.study == key
    )


def _parse(key: str, text: str) -> Derived | None:
    """Parse an attribute; None if it is not one that sweep wrote: users of Optuna may set any."""
    with suppress(ValidationError):
        return _ADAPTERS[DerivedKind(key)].validate_json(text)
    return None


def _why_not(
    study: Row[Any, Any], child: Row[Any], attribute: Derived, kind: DerivedKind
) -> str | None:
    """Explain why a child belongs to another study of that name; None if it belongs to this one."""
    name = attribute.study
    if attribute.study_created_at != study.created_at:
        return f"{_VERBS[kind]} another study that was named '{name}'"
    hashes = {row.provenance.get("data_sha256") for row in (study, child)} - {None}
    return f"was trained on other data than '{name}'" if len(hashes) > 1 else None


_CHILDREN: Select[Any] = (
    select(
        studies.c.study_name,
        study_user_attributes.c.key,
        study_user_attributes.c.value_json,
        sweep_studies.c.created_at,
        sweep_studies.c.provenance,
    )
    .join(study_user_attributes, study_user_attributes.c.study_id == studies.c.study_id)
    .join(sweep_studies, sweep_studies.c.study_id == studies.c.study_id)
    .where(study_user_attributes.c.key.in_(list(DerivedKind)))
    .order_by(sweep_studies.c.updated_at, studies.c.study_id)
)
