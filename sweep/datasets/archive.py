"""Send the files of a data set to another host, and install them there.

They are a known data set's or a folder's IDX files, or one file of arrays.
"""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from sweep.datasets.library import find, prepare
from sweep.datasets.places import cache_folder, convert_write_errors, files_in
from sweep.datasets.registry import SOURCES
from sweep.enums import Dataset
from sweep.errors import DataError


@dataclass(frozen=True, kw_only=True)
class DatasetArchive:
    """The files of a data set, as they are on disk."""

    #: Content by file name.
    files: Mapping[str, bytes]

    @classmethod
    def pack(cls, name: str) -> Self:
        """Read the files of a data set of this host.

        Raises DataError if they were removed since it was loaded, or cannot be read.
        """
        found = find(name)
        source = SOURCES[Dataset(name)] if name in SOURCES else None
        files = None if found is None else files_in(found, source)
        paths = [found] if files is None else [*files]
        if found is None or not all(path is None or path.is_file() for path in paths):
            raise DataError(f"data set {name}: its files are missing; restore them.")
        try:
            return cls(files={path.name: path.read_bytes() for path in paths if path is not None})
        except OSError as error:
            raise DataError(f"data set {name}: a file cannot be read: {error}") from error

    @cached_property
    def digest(self) -> str:
        """The digest of names and contents, 16 hexadecimal digits of SHA-256."""
        digest = hashlib.sha256()
        for name in sorted(self.files):
            digest.update(f"{name} {len(self.files[name])} ".encode())
            digest.update(self.files[name])
        return digest.hexdigest()[:16]


def install(name: str, digest: str, fetch: Callable[[], Mapping[str, bytes]]) -> str:
    """Install a data set on this host and return what ``load`` reads: its name, or a path.

    ``fetch`` returns an archive's files. One process of the host calls it, and only if the data set
    is missing. A user's images are stored under the archive's ``digest``, because their path means
    nothing on another host. Raises DataError for invalid files, NoRoomError if they cannot be
    written.
    """
    if find(name) is not None:
        return name
    from filelock import FileLock  # a machine that only trains may lack it

    with convert_write_errors(cache_folder()):
        cache_folder().mkdir(parents=True, exist_ok=True)
        with FileLock(cache_folder() / f".{digest}.lock"):
            return _install_missing(name, cache_folder() / f"received-{digest}", fetch)


def _install_missing(name: str, folder: Path, fetch: Callable[[], Mapping[str, bytes]]) -> str:
    is_known = name in SOURCES
    is_here = find(name) is not None if is_known else folder.is_dir()
    if not is_here:  # the previous holder of the lock has not installed it
        with tempfile.TemporaryDirectory(prefix=".receiving-", dir=cache_folder()) as temporary:
            copy = Path(temporary) / "files"
            copy.mkdir()
            for file_name, content in fetch().items():
                (copy / Path(file_name).name).write_bytes(content)
            if is_known:
                prepare(name, copy)  # checks the files
            else:
                copy.rename(folder)
    if is_known:
        return name
    only, *others = folder.iterdir()
    return str(folder if others else only)
