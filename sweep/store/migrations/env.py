"""Alembic's entry point: our tables only, with a version table separate from Optuna's."""

from alembic import context

from sweep.store.schema import sweep_metadata


def _ours(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or (name or "").startswith("sweep_")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=sweep_metadata,
    version_table="sweep_alembic_version",
    include_name=_ours,
    render_as_batch=True,
)
context.run_migrations()
