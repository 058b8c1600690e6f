"""Where the weights of the best trials lie: files beside the database, Optuna's artifacts."""

import os
import secrets
import stat
import time
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import URL

from sweep.errors import NoRoomError, NotFoundError, StoreError
from sweep.files import LARGEST_WEIGHTS, file_name, read_regular
from sweep.store.engine import shown, sqlite_path

#: Characters of a study's name in the name of a file; ids are at most 64 characters long.
_LONGEST_STUDY = 24


def artifact_folder(url: URL) -> Path:
    """SWEEP_ARTIFACTS, else ``FILE.artifacts`` beside an SQLite file, else ``sweep-artifacts``."""
    if named := os.environ.get("SWEEP_ARTIFACTS"):
        return Path(named)
    path = sqlite_path(url)
    return Path(f"{path}.artifacts") if path else Path("sweep-artifacts")


def artifact_path(url: URL, artifact_id: str) -> Path:
    """Return an artifact's path. Raises StoreError for an id that would lead out of the folder.

    Ids come from the database, which others may write to; files are read and deleted by them.
    """
    return artifact_folder(url) / checked_id(artifact_id, shown(url))


def checked_id(artifact_id: str, where: str = "the database") -> str:
    """Return the id, which is a file's name. Raises StoreError for one that leads elsewhere."""
    if artifact_id in ("", ".", "..") or any(sign in artifact_id for sign in "/\\\0"):
        raise StoreError(
            f"artifact {artifact_id!r}: no name of a file. Somebody else wrote this into "
            f"{where}; no file is touched."
        )
    return artifact_id


def read_artifact(url: URL, artifact_id: str) -> bytes:
    """Read a file. Raises NotFoundError when it is not (or no longer) there.

    DataError for what is no regular file, or larger than any weights of ours.
    """
    path = artifact_path(url, artifact_id)
    try:
        return read_regular(path, LARGEST_WEIGHTS, follow_links=False)
    except OSError as error:
        raise NotFoundError(
            f"{path}: {error.strerror}. SWEEP_ARTIFACTS names another folder."
        ) from error


def remove_artifact(url: URL, artifact_id: str) -> None:
    """Delete a file if it exists. Raises StoreError for an invalid name or a failed deletion."""
    path = artifact_path(url, artifact_id)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}.") from error


def has_artifact(folder: Path, artifact_id: str) -> bool:
    """Tell whether the id names a regular file in the folder: no link, no folder, not elsewhere."""
    try:
        return stat.S_ISREG((folder / checked_id(artifact_id)).lstat().st_mode)
    except (StoreError, OSError):
        return False


def write_artifact(folder: Path, study: str, number: int, content: bytes) -> str:
    """Keep a trial's weights, whole or not at all; return the id, a file's name. Raises OSError.

    Of one that finds no room nothing stays: the last rows of a database on the same disk need it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Studies of several databases may share a folder, so a name alone is not unique.
    name = file_name(study)[:_LONGEST_STUDY]
    path = folder / f"{name}-{number}-{secrets.token_hex(6)}.safetensors"
    try:
        path.write_bytes(content)
    except OSError:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise
    return path.name


#: Optuna's system attribute of a trial's or study's artifact begins so; its id follows.
ATTRIBUTE = "artifacts:"
#: A file younger than that may belong to a transaction that has yet to land.
SETTLED_SECONDS = 3600.0


def settled_files(folder: Path) -> list[Path]:
    """List the folder's files by name, without unfinished ones; none where there is no folder."""
    if not folder.is_dir():
        return []
    youngest = time.time() - SETTLED_SECONDS
    return sorted(
        path for path in folder.iterdir() if path.is_file() and path.stat().st_mtime < youngest
    )


def unreferenced(folder: Path) -> Path:
    """Return the folder of files that belong to no trial."""
    return folder / "unreferenced"


def set_aside(path: Path) -> None:
    """Move a file out of the way; not deleted, for another database may use the folder too."""
    aside = unreferenced(path.parent)
    try:
        aside.mkdir(exist_ok=True)
        path.replace(aside / path.name)
    except OSError as error:
        raise NoRoomError(
            f"{path}: {error.strerror}, when it was to be moved to {aside}. "
            "The database's rows are mended; move it by hand, or repair once more."
        ) from error
