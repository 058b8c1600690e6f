"""Read and write weights of the best trials: files next to the database, Optuna artifacts."""

import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import URL

from sweep.errors import NoRoomError, NotFoundError, StoreError
from sweep.files import LARGEST_WEIGHTS, file_name, read_regular
from sweep.store.engine import format_url, sqlite_path

#: Maximum number of characters of the study's name in a file name; ids have at most 64 characters.
_LONGEST_STUDY = 24


def artifact_folder(url: URL) -> Path:
    """Return the artifact folder of a database.

    It is SWEEP_ARTIFACTS if set, else ``FILE.artifacts`` next to an SQLite file, else
    ``sweep-artifacts``.
    """
    if named := os.environ.get("SWEEP_ARTIFACTS"):
        return Path(named)
    path = sqlite_path(url)
    return Path(f"{path}.artifacts") if path else Path("sweep-artifacts")


def artifact_path(url: URL, artifact_id: str) -> Path:
    """Return an artifact's path. Raises StoreError if the id points outside the folder.

    Ids come from the database, which others may write to, and name files to read and delete.
    """
    return artifact_folder(url) / checked_id(artifact_id, format_url(url))


def checked_id(artifact_id: str, where: str = "the database") -> str:
    """Return the id, which is a file name. Raises StoreError if it points outside the folder."""
    if artifact_id in ("", ".", "..") or any(sign in artifact_id for sign in "/\\\0"):
        raise StoreError(
            f"artifact {artifact_id!r} in {where} is not a file name, so sweep did not write it; "
            "no file is touched."
        )
    return artifact_id


def read_artifact(url: URL, artifact_id: str) -> bytes:
    """Read a file. Raises NotFoundError if it does not exist (any more).

    Raises DataError for anything but a regular file, and for files larger than any weights file.
    """
    path = artifact_path(url, artifact_id)
    try:
        return read_regular(path, LARGEST_WEIGHTS, follow_links=False)
    except OSError as error:
        raise NotFoundError(
            f"{path}: {error.strerror}. Set SWEEP_ARTIFACTS if the weights are in another folder."
        ) from error


def remove_artifact(url: URL, artifact_id: str) -> None:
    """Delete a file if it exists. Raises StoreError for an invalid name or a failed deletion."""
    path = artifact_path(url, artifact_id)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}.") from error


def has_artifact(folder: Path, artifact_id: str) -> bool:
    """Return whether the id names a regular file in the folder: not a link, nor a folder."""
    try:
        return stat.S_ISREG((folder / checked_id(artifact_id)).lstat().st_mode)
    except (StoreError, OSError):
        return False


def write_artifact(folder: Path, study: str, number: int, content: bytes) -> str:
    """Write a trial's weights atomically and return the id, a file name. Raises OSError.

    When the disk is full no partial file remains: the last rows of a database on the same disk need
    the space.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Several databases may share a folder, so the study's name alone is not unique.
    name = file_name(study)[:_LONGEST_STUDY]
    path = folder / f"{name}-{number}-{secrets.token_hex(6)}.safetensors"
    temporary = path.with_suffix(".writing")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path.name


#: Prefix of Optuna's system attribute for an artifact of a trial or study; the artifact's id
#: follows.
ATTRIBUTE = "artifacts:"
#: A younger file may belong to a transaction that is not committed yet.
SETTLED_SECONDS = 3600.0


def settled_files(folder: Path) -> list[Path]:
    """List the folder's files by name, without unfinished ones; empty if there is no folder."""
    if not folder.is_dir():
        return []
    youngest = time.time() - SETTLED_SECONDS
    return sorted(
        path for path in folder.iterdir() if path.is_file() and path.stat().st_mtime < youngest
    )


def unreferenced_folder(folder: Path) -> Path:
    """Return the folder for files that belong to no trial."""
    return folder / "unreferenced"


def set_aside(path: Path) -> None:
    """Move a file out of the way; another database may use the folder, so it is not deleted."""
    aside = unreferenced_folder(path.parent)
    try:
        aside.mkdir(exist_ok=True)
        path.replace(aside / path.name)
    except OSError as error:
        raise NoRoomError(
            f"{path}: {error.strerror}; it could not be moved to {aside}. "
            "The database's rows are repaired; move it by hand, or repair again."
        ) from error
