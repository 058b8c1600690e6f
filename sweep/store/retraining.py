"""Studies that train the best of another one again: an attribute of theirs says which trials."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Engine

from sweep.store import derived_studies
from sweep.store.derived_studies import Kind, MismatchedStudy


@dataclass(frozen=True, kw_only=True)
class Retrained:
    """The trials whose configurations a study trains again."""

    #: The study that they are of.
    study: str
    #: When that one was made: see ``Explained``.
    study_created_at: float
    #: The best first; trial i of the study that trains again is the i-th of these.
    numbers: Sequence[int]

    @property
    def attributes(self) -> dict[str, Any]:
        """What the study that trains again keeps of it."""
        return {Kind.RETRAINS.value: asdict(self)}


def retrained_by(engine: Engine, name: str) -> Retrained | None:
    """What a study trains again; None where it doesn't. Raises NotFoundError without it."""
    kept = derived_studies.attribute_of(engine, name, Kind.RETRAINS)
    return None if kept is None else Retrained(**kept)


def retraining(engine: Engine, name: str) -> dict[str, Retrained]:
    """The studies that train this one's best again, by name; that which was run last comes last."""
    found = derived_studies.children(engine, name, Kind.RETRAINS)
    return {child: Retrained(**kept) for child, kept in found.items()}


def strangers(engine: Engine, name: str) -> list[MismatchedStudy]:
    """The studies that do so for another one that had, or has elsewhere, this one's name."""
    return derived_studies.strangers(engine, name, Kind.RETRAINS)
