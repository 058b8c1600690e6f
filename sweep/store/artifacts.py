"""Where the weights of the best trials lie: files beside the database, under Optuna's names."""

import os
from pathlib import Path

from sqlalchemy.engine import URL

from sweep.errors import NotFoundError, StoreError
from sweep.store.engine import shown, sqlite_path


def artifact_folder(url: URL) -> Path:
    """SWEEP_ARTIFACTS, else ``FILE.artifacts`` beside an SQLite file, else ``sweep-artifacts``."""
    if named := os.environ.get("SWEEP_ARTIFACTS"):
        return Path(named)
    path = sqlite_path(url)
    return Path(f"{path}.artifacts") if path else Path("sweep-artifacts")


def artifact_path(url: URL, artifact_id: str) -> Path:
    """Where an artifact's file is. Raises StoreError for an id that would lead out of the folder.

    Ids come from the database, which others may write to; files are read and deleted by them.
    """
    if artifact_id in ("", ".", "..") or any(sign in artifact_id for sign in "/\\\0"):
        raise StoreError(
            f"artifact {artifact_id!r}: no name of a file. Somebody else wrote this into "
            f"{shown(url)}; no file is touched."
        )
    return artifact_folder(url) / artifact_id


def read_artifact(url: URL, artifact_id: str) -> bytes:
    """A file's content. Raises NotFoundError when it is not (or no longer) there."""
    path = artifact_path(url, artifact_id)
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFoundError(
            f"{path}: {error.strerror}. SWEEP_ARTIFACTS names another folder."
        ) from error
