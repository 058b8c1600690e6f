"""Check weights: files next to the database, and the trials that they belong to."""

from collections.abc import Iterator
from functools import partial

from sqlalchemy import select

from sweep.store import artifacts, schema
from sweep.store.checks.types import ExaminedStudy, Fault
from sweep.store.kept_weights import forget_weights
from sweep.store.schema import sweep_trials as ours


def find_weights(study: ExaminedStudy) -> Iterator[Fault]:
    """Find weights that are recorded but whose files are missing."""
    query = select(ours.c.trial_id, ours.c.number, ours.c.artifact_id).where(
        ours.c.study_id == study.study_id, ours.c.artifact_id.is_not(None)
    )
    rows = study.connection.execute(query.order_by(ours.c.number)).all()
    if rows and not study.folder.is_dir():
        # The whole folder may just be somewhere else: this is no reason to drop the rows.
        yield Fault(
            check="weights",
            what=f"{study.folder} does not exist, but {len(rows):,} trials have weights in it",
            remedy="set SWEEP_ARTIFACTS to the right folder; if they are lost, create an empty one",
        )
        return
    for row in rows:
        if not artifacts.has_artifact(study.folder, row.artifact_id):
            yield Fault(
                check="weights",
                number=row.number,
                trial_id=row.trial_id,
                what=f"its weights, {row.artifact_id} in {study.folder}, does not exist there",
                remedy="--repair removes the reference to them",
                repair=partial(forget_weights, study.connection, row.trial_id, row.artifact_id),
            )


def find_file(study: ExaminedStudy) -> Iterator[Fault]:
    """Find weights files that belong to no trial of any study: studies share the folder."""
    files = artifacts.settled_files(study.folder)
    if not files:
        return
    known = set(study.connection.scalars(select(ours.c.artifact_id)))
    for table in (schema.trial_system_attributes, schema.study_system_attributes):
        keys = study.connection.scalars(
            select(table.c.key).where(table.c.key.startswith(artifacts.ATTRIBUTE))
        )
        known.update(key.removeprefix(artifacts.ATTRIBUTE) for key in keys)
    for path in files:
        if path.name not in known:
            yield Fault(
                check="file",
                what=f"{path} belongs to no trial",
                remedy=f"--repair moves it to {artifacts.unreferenced_folder(study.folder)}",
                repair=partial(study.afterwards.append, partial(artifacts.set_aside, path)),
            )
