"""Where the weights of the best trials lie: files beside the database, under Optuna's names."""

import os
from pathlib import Path

from sqlalchemy.engine import URL

from sweep.errors import NotFoundError
from sweep.store.engine import sqlite_path


def artifact_folder(url: URL) -> Path:
    """SWEEP_ARTIFACTS, else ``FILE.artifacts`` beside an SQLite file, else ``sweep-artifacts``."""
    if named := os.environ.get("SWEEP_ARTIFACTS"):
        return Path(named)
    path = sqlite_path(url)
    return Path(f"{path}.artifacts") if path else Path("sweep-artifacts")


def read_artifact(url: URL, artifact_id: str) -> bytes:
    """A file's content. Raises NotFoundError when it is not (or no longer) there."""
    path = artifact_folder(url) / artifact_id
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFoundError(
            f"{path}: {error.strerror}. SWEEP_ARTIFACTS names another folder."
        ) from error
