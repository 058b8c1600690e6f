"""Where data sets lie on this machine: beside the code, in the cache, in Debian's packages."""

import os
from enum import StrEnum
from pathlib import Path

from sweep.datasets.registry import SOURCES, FileNames, Files, Source
from sweep.enums import Dataset

BUNDLED_ROOT = Path(__file__).parent
DEBIAN_ROOT = Path("/usr/share/datasets")


class State(StrEnum):
    """How a data set got here."""

    BUNDLED = "bundled"
    CACHED = "cached"
    DEBIAN = "debian"
    ABSENT = "absent"


def cache_folder() -> Path:
    """Where prepared and downloaded data sets are kept: SWEEP_DATA, or the user's cache."""
    if given := os.environ.get("SWEEP_DATA"):
        return Path(given)
    import platformdirs  # a machine that only trains may lack it

    return platformdirs.user_cache_path("sweep") / "data"


def locate(name: Dataset) -> tuple[State, Path | None]:
    """The first place that has all four files."""
    for state, folder in (
        (State.BUNDLED, BUNDLED_ROOT / name),
        (State.CACHED, cache_folder() / name),
        (State.DEBIAN, DEBIAN_ROOT / name),
    ):
        if files_in(folder, SOURCES[name]) is not None:
            return state, folder
    return State.ABSENT, None


def files_in(folder: Path, source: Source | None = None) -> Files | None:
    """The four files in a folder, gzipped or not, if all are there.

    Called as the data set calls them, or else as MNIST does.
    """
    for names in (source.names if source else FileNames(), FileNames()):
        parts = {part: _either(folder, stem) for part, stem in vars(names).items()}
        found = {part: path for part, path in parts.items() if path is not None}
        if len(found) == len(parts):
            return Files(**found)
    return None


def missing_in(folder: Path, source: Source | None = None) -> list[str]:
    """Names, without ``.gz``, of the files that a folder lacks."""
    names = source.names if source else FileNames()
    return [stem for stem in vars(names).values() if _either(folder, stem) is None]


def _either(folder: Path, stem: str) -> Path | None:
    """The raw file before the gzipped one; some archives write a dot before ``idx``."""
    spellings = (stem, stem.replace("-idx", ".idx"))
    candidates = (folder / (spelling + end) for end in ("", ".gz") for spelling in spellings)
    return next((path for path in candidates if path.is_file()), None)
