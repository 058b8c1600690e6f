"""Find corrupt values: those that are invalid for their column's type."""

from collections.abc import Iterator

from sqlalchemy import Connection

from sweep.store.checks.types import Fault
from sweep.store.column_types import checked_places, corrupt_rows


def find_values(connection: Connection, study_id: int) -> Iterator[Fault]:
    """Find every corrupt value in the study's rows."""
    for place in checked_places():
        for corrupt in corrupt_rows(connection, place, study_id):
            yield Fault(
                check="unreadable",
                what=f"{corrupt.place} of {corrupt.row}: {corrupt.why}",
                remedy="restore a backup, or delete the study",
            )
