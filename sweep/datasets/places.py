"""Find data sets on this machine: next to the code, in the cache, in Debian's packages."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from sweep.datasets.registry import SOURCES, FileNames, Files, Source
from sweep.enums import Dataset
from sweep.errors import NoRoomError

BUNDLED_ROOT = Path(__file__).parent
DEBIAN_ROOT = Path("/usr/share/datasets")

#: System errors of a full disk or a folder that is not writable.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS})


class State(StrEnum):
    """How a data set got onto this machine."""

    BUNDLED = "bundled"
    CACHED = "cached"
    DEBIAN = "debian"
    ABSENT = "absent"


def cache_folder() -> Path:
    """Return the folder of prepared and downloaded data: SWEEP_DATA, or the user's cache."""
    if given := os.environ.get("SWEEP_DATA"):
        return Path(given)
    import platformdirs  # a machine that only trains may lack it

    return platformdirs.user_cache_path("sweep") / "data"


def locate(name: Dataset) -> tuple[State, Path | None]:
    """Find the first place that has all four files."""
    for state, folder in (
        (State.BUNDLED, BUNDLED_ROOT / name),
        (State.CACHED, cache_folder() / name),
        (State.DEBIAN, DEBIAN_ROOT / name),
    ):
        if files_in(folder, SOURCES[name]) is not None:
            return state, folder
    return State.ABSENT, None


def files_in(folder: Path, source: Source | None = None) -> Files | None:
    """Return the files in a folder, gzipped or not, if all exist.

    They have the data set's file names, or else MNIST's. A user's folder, without a ``source``, may
    lack both files of labels.
    """
    for names in (source.names if source else FileNames(), FileNames()):
        found = {part: _either(folder, stem) for part, stem in vars(names).items()}
        missing = [part for part, path in found.items() if path is None]
        if not missing or (source is None and missing == ["train_labels", "test_labels"]):
            return Files(**found)  # type: ignore[arg-type]  # images are there
    return None


def holds_idx(folder: Path) -> bool:
    """Return whether the folder has a file of images with MNIST's names."""
    names = FileNames()
    return any(_either(folder, stem) for stem in (names.train_images, names.test_images))


def missing_in(folder: Path, source: Source | None = None) -> list[str]:
    """Names, without ``.gz``, of the files that a folder lacks."""
    names = source.names if source else FileNames()
    return [stem for stem in vars(names).values() if _either(folder, stem) is None]


def _either(folder: Path, stem: str) -> Path | None:
    """Return the raw file, or else the gzipped one; some archives write a dot before ``idx``."""
    spellings = (stem, stem.replace("-idx", ".idx"))
    candidates = (folder / (spelling + end) for end in ("", ".gz") for spelling in spellings)
    return next((path for path in candidates if path.is_file()), None)


@contextmanager
def convert_write_errors(where: Path) -> Iterator[None]:
    """Convert errors of a full disk or an unwritable folder to NoRoomError."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise NoRoomError(
                f"{where}: cannot write there: {error.strerror}."
                " Set SWEEP_DATA to another folder for data sets."
            ) from error
        raise
