"""A second revision of our tables, made up, to test upgrades while there is only one."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import Engine

from sweep.store import migrate
from sweep.store.engine import write_transaction

#: Adds the column that ``outdate`` drops.
_REVISION = """\
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("sweep_trials") as batch:
        batch.add_column(sa.Column("reused_from", sa.Integer(), nullable=True))
"""


def outdate(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the store at revision 0001, one column behind a sweep that knows revision 0002 too."""
    with write_transaction(engine) as connection:
        connection.execute(sqlalchemy.text("ALTER TABLE sweep_trials DROP COLUMN reused_from"))
    migrations = folder / "migrations"
    shutil.copytree(migrate._MIGRATIONS, migrations)
    (migrations / "versions" / "0002_made_up.py").write_text(_REVISION)
    monkeypatch.setattr(migrate, "_MIGRATIONS", migrations)
