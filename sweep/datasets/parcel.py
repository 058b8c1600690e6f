"""A data set on its way to another host: its files as bytes, and what that host does with them."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from sweep.datasets.library import find, prepare, writing_in
from sweep.datasets.places import cache_folder, files_in
from sweep.datasets.registry import SOURCES
from sweep.enums import Dataset
from sweep.errors import DataError

#: File names and what is in them.
Parcel = Mapping[str, bytes]


def pack(name: str) -> Parcel:
    """The four files of a data set that is here, as they lie on the disk.

    Raises DataError where they have been removed since it was loaded, or cannot be read.
    """
    folder = find(name)
    source = SOURCES[Dataset(name)] if name in SOURCES else None
    files = None if folder is None else files_in(folder, source)
    if files is None:
        raise DataError(f"data set {name}: its files are not there any more; put them back.")
    try:
        return {path.name: path.read_bytes() for path in files}
    except OSError as error:
        raise DataError(f"data set {name}: a file cannot be read: {error}") from error


def unpack(name: str, digest: str, fetch: Callable[[], Parcel]) -> str:
    """What ``load`` reads on this host: the name, or for a folder its path here.

    ``fetch`` is called by one process of the host, and only where the data set is not here. A
    folder of one's own is kept under its parcel's ``digest``: its path says nothing elsewhere.
    Raises DataError for files that are not what they should be, NoRoomError without room.
    """
    if find(name) is not None:
        return name
    from filelock import FileLock  # a machine that only trains may lack it

    with writing_in(cache_folder()):
        cache_folder().mkdir(parents=True, exist_ok=True)
        with FileLock(cache_folder() / f".{digest}.lock"):
            return _received(name, cache_folder() / f"received-{digest}", fetch)


def digest_of(parcel: Parcel) -> str:
    """Of names and contents."""
    digest = hashlib.sha256()
    for name in sorted(parcel):
        digest.update(f"{name} {len(parcel[name])} ".encode())
        digest.update(parcel[name])
    return digest.hexdigest()[:16]


def _received(name: str, folder: Path, fetch: Callable[[], Parcel]) -> str:
    is_known = name in SOURCES
    is_here = find(name) is not None if is_known else folder.is_dir()
    if not is_here:  # whoever held the lock before has not brought it
        with tempfile.TemporaryDirectory(prefix=".receiving-", dir=cache_folder()) as temporary:
            copy = Path(temporary) / "files"
            copy.mkdir()
            for file_name, content in fetch().items():
                (copy / Path(file_name).name).write_bytes(content)
            if is_known:
                prepare(name, copy)  # checks the files
            else:
                copy.rename(folder)
    return name if is_known else str(folder)
