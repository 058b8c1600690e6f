"""Studies that were trained to explain another one: an attribute of theirs says which, and what."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Engine

from sweep.store import derived_studies
from sweep.store.derived_studies import Kind, MismatchedStudy


@dataclass(frozen=True, kw_only=True)
class Explained:
    """The two configurations that a study goes between."""

    #: The study that they are of.
    study: str
    #: When that one was made, by its database's clock: another may have its name by now, but no
    #: other was made then, and a copy keeps it.
    study_created_at: float
    #: Trials of that study; None for a baseline that is none of its trials.
    from_number: int | None
    to_number: int
    #: trial.TrialConfig in full.
    baseline: Mapping[str, Any]
    target: Mapping[str, Any]

    @property
    def attributes(self) -> dict[str, Any]:
        """What the explaining study keeps of it."""
        return {Kind.EXPLAINS.value: asdict(self)}


def explained_by(engine: Engine, name: str) -> Explained | None:
    """What a study explains; None where it explains none. Raises NotFoundError without it."""
    kept = derived_studies.attribute_of(engine, name, Kind.EXPLAINS)
    return None if kept is None else Explained(**kept)


def explaining(engine: Engine, name: str) -> dict[str, Explained]:
    """The studies that explain this one, by name; that which was run last comes last."""
    found = derived_studies.children(engine, name, Kind.EXPLAINS)
    return {child: Explained(**kept) for child, kept in found.items()}


def strangers(engine: Engine, name: str) -> list[MismatchedStudy]:
    """The studies that explain another one that had, or has elsewhere, this one's name."""
    return derived_studies.strangers(engine, name, Kind.EXPLAINS)
