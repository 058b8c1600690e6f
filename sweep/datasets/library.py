"""Load a data set by name or path, prepare one for use without network, list what there is."""

import difflib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from sweep.datasets.download import NO_ROOM, download
from sweep.datasets.images import Images, read_images
from sweep.datasets.places import State, cache_folder, files_in, locate, missing_in
from sweep.datasets.registry import SOURCES, Files, Source
from sweep.enums import Dataset
from sweep.errors import DataError, NoRoomError

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class DatasetStatus:
    """One line of ``sweep data list``."""

    name: str
    description: str
    state: State
    #: Its folder, None where it is absent.
    path: Path | None
    n_train: int
    n_test: int
    license: str
    #: Whether its content is compared with a pinned SHA-256.
    pinned: bool


def known() -> list[DatasetStatus]:
    """Every data set known by name, here or not."""
    return [_status(name, source) for name, source in SOURCES.items()]


def find(name: str) -> Path | None:
    """The folder that ``load`` would read, None where it would have to download."""
    if name in SOURCES:
        return locate(Dataset(name))[1]
    folder = Path(name).expanduser()
    return folder if files_in(folder) is not None else None


def load(name: str) -> Images:
    """The whole data set, checked; downloaded first where it is nowhere on this machine."""
    if name not in SOURCES:
        return _load_folder(name)
    folder = find(name) or prepare(name)
    return _read_known(Dataset(name), folder)


def class_names(name: str) -> tuple[str, ...]:
    """What the labels mean, in their order; empty for a folder."""
    return SOURCES[Dataset(name)].classes if name in SOURCES else ()


def prepare(name: str, source: Path | None = None, progress: Progress = _silent) -> Path:
    """Put a data set where ``load`` finds it without network; the folder it lies in.

    From the folder ``source``, replacing what the cache holds; or else as it is found, or
    downloaded. Checked before it is put there; a folder of IDX files is checked where it is.
    """
    if name not in SOURCES and source is None:
        _load_folder(name)
        return Path(name).expanduser()
    dataset = _dataset(name)
    if source is not None:
        progress(f"Copying {name} from {source}")
        return _keep(dataset, _files_to_copy(dataset, source))
    state, folder = locate(dataset)
    if folder is not None:
        progress(f"Checking {name} in {folder} ({state})")
        _read_known(dataset, folder)
        return folder
    return _fetch(dataset, progress)


def _status(name: Dataset, source: Source) -> DatasetStatus:
    state, path = locate(name)
    return DatasetStatus(
        name=name,
        description=source.description,
        state=state,
        path=path,
        n_train=source.n_train,
        n_test=source.n_test,
        license=source.license,
        pinned=bool(source.sha256),
    )


def _dataset(name: str) -> Dataset:
    if name in SOURCES:
        return Dataset(name)
    close = difflib.get_close_matches(name, list(SOURCES), n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    raise DataError(
        f"{name}: no data set of that name.{hint} Known: {', '.join(SOURCES)};"
        " or the path of a folder of IDX files."
    )


def _read_known(name: Dataset, folder: Path) -> Images:
    files = files_in(folder, SOURCES[name])
    if files is None:
        raise DataError(
            f"{folder}: {name}'s files are gone. Run `sweep data prepare {quote(name)}`."
        )
    return read_images(name, files, SOURCES[name])


def _load_folder(name: str) -> Images:
    folder = Path(name).expanduser()
    if not folder.is_dir() and "/" not in name:
        _dataset(name)
    files = files_in(folder)
    if files is None:
        raise DataError(_lacks(folder, None))
    return read_images(name, files)


def _lacks(folder: Path, source: Source | None) -> str:
    if not folder.is_dir():
        return f"{folder}: no such folder."
    missing = missing_in(folder, source)
    return f"{folder}: lacks {', '.join(missing)} (each may end in .gz)."


def _files_to_copy(name: Dataset, folder: Path) -> Files:
    """From the folder itself, or from torchvision's own layout below it."""
    source = SOURCES[name]
    for candidate in (folder, folder / str(source.torchvision) / "raw"):
        if (files := files_in(candidate, source)) is not None:
            return files
    raise DataError(_lacks(folder, source))


def _fetch(name: Dataset, progress: Progress) -> Path:
    progress(f"Downloading {name} into {cache_folder() / name}")
    with _temporary_folder() as folder, writing_in(cache_folder() / name):
        try:
            raw = download(SOURCES[name], folder)
        except DataError as error:
            raise DataError(_three_ways(name, str(error))) from error
        return _keep(name, _files_to_copy(name, raw))


def _three_ways(name: Dataset, reason: str) -> str:
    source = SOURCES[name]
    package = source.debian_package
    debian = f"`apt install {package}`" if package else "Debian has no package of this one"
    names = ", ".join(vars(source.names).values())
    command = f"sweep data prepare {quote(name)}"
    return (
        f"{name}: not on this machine, and the download failed ({reason}). Three ways to get it:\n"
        f"  1. `{command}` where there is network; it fills {cache_folder()}\n"
        f"  2. `{command} --from DIR`, where DIR holds {names} (or these .gz)\n"
        f"  3. Debian's data set package: {debian}\n"
        f"'{Dataset.FASHION_MNIST_MINI}' comes with sweep and needs none of these."
    )


def _keep(name: Dataset, files: Files) -> Path:
    """Check the files and put copies into the cache, whole or not at all."""
    read_images(name, files, SOURCES[name])
    target = cache_folder() / name
    with _temporary_folder() as folder, writing_in(target):
        copy = folder / name
        copy.mkdir()
        for path in files:
            shutil.copyfile(path, copy / path.name)
        if target.is_symlink():
            target.unlink()
        shutil.rmtree(target, ignore_errors=True)
        copy.rename(target)
    return target


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Within the cache, so that a rename stays on one file system."""
    root = cache_folder()
    with writing_in(root):
        root.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".preparing-", dir=root)
    with folder as path:
        yield Path(path)


@contextmanager
def writing_in(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise NoRoomError(
                f"{where}: cannot write there: {error.strerror}."
                " SWEEP_DATA names another folder for data sets."
            ) from error
        raise
