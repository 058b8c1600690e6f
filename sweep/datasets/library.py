"""Load a data set by name or path, prepare one for offline use, list the known ones."""

import difflib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from shlex import quote

from sweep.datasets.arrays import resize_images
from sweep.datasets.copies import copies_of, write_copy
from sweep.datasets.download import download
from sweep.datasets.formats import EXPECTED, Size, format_of, read_own
from sweep.datasets.images import Images, read_images
from sweep.datasets.places import (
    State,
    cache_folder,
    convert_write_errors,
    files_in,
    holds_idx,
    locate,
    missing_in,
)
from sweep.datasets.registry import SOURCES, Files, Source
from sweep.enums import Dataset
from sweep.errors import DataError
from sweep.messages import ImageShape

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class DatasetStatus:
    """A line of ``sweep data list``."""

    name: str
    description: str
    state: State
    #: Its folder, None if it is not on this machine.
    path: Path | None
    n_train: int
    n_test: int
    license: str
    #: Whether its content is compared with a pinned SHA-256.
    pinned: bool


def list_known() -> list[DatasetStatus]:
    """List every data set known by name, whether it is on this machine or not."""
    return [_status(name, source) for name, source in SOURCES.items()]


def find(name: str) -> Path | None:
    """Return the file or folder that ``load`` would read, None if it would have to download it."""
    if name in SOURCES:
        return locate(Dataset(name))[1]
    path = Path(name).expanduser()
    return path if files_in(path) is not None or format_of(path) is not None else None


def load(name: str, size: Size | None = None) -> Images:
    """Load and check a data set; download it first if it is not on this machine.

    ``name`` is a name of ``sweep data list``, or the path of a user's own images. With ``size``,
    (height, width), images of another size are resized.
    """
    if name not in SOURCES:
        return _load_own(name, size)
    folder = find(name) or prepare(name)
    return _resize(_read_known(Dataset(name), folder), size)


def load_again(
    name: str, size: Size | None, sha256: str | None, near: Sequence[Path] = ()
) -> Images:
    """Load the images with this digest: a copy in the cache, or else the images at their path.

    A user's images that are no longer at their path are searched in this folder, the folders
    ``near`` and the cache, by the end of their path; ``Images.name`` is where they were found. The
    images at the path may have changed: compare ``Images.sha256``. Raises DataError for a copy with
    another digest, and if they are not found.
    """
    path = Path(name).expanduser()
    if copies := [] if sha256 is None else copies_of(sha256):
        copy = path.absolute() if path.absolute() in copies else copies[-1]
        images = load(str(copy))
        if images.sha256 != sha256:
            raise DataError(f"{copy}: this copy was changed; remove it.")
        return images
    if name in SOURCES or sha256 is None or path.exists():
        return load(name, size)
    places = list(dict.fromkeys(place.absolute() for place in (Path.cwd(), *near, cache_folder())))
    for candidate in _candidates(path, places):
        with suppress(DataError):  # another file of that name
            images = load(str(candidate), size)
            if images.sha256 == sha256:
                return images
    raise DataError(
        f"{path}: no such file or folder, and no images of that name with SHA-256 "
        f"{sha256[:12]}… in {', '.join(map(str, places))}. Restore them, or give their present "
        "path: `sweep resume NAME --set data.name=PATH`."
    )


#: Maximum number of trailing names of a path that are used to search moved images.
_MOST_NAMES = 3


def _candidates(path: Path, places: Sequence[Path]) -> Iterator[Path]:
    """Yield existing paths that end like ``path``."""
    names = path.parts[1:] if path.is_absolute() else path.parts
    for place in places:
        for n in range(min(_MOST_NAMES, len(names)), 0, -1):
            candidate = place.joinpath(*names[-n:])
            if candidate.exists():
                yield candidate


def is_here(name: str, sha256: str) -> bool:
    """Return whether ``load_again`` needs no download."""
    return name not in SOURCES or bool(copies_of(sha256)) or find(name) is not None


def for_workers(
    name: str, size: Size | None, images: Images | None = None, folder: Path | None = None
) -> str:
    """Return what a worker passes to ``load`` to get these images: ``name``, or the path of a copy.

    Images are copied to ``folder``, or else the cache, if they take long to read, need another
    package, or were resized; ``images`` is the result of ``load``, if it was called. Raises
    DataError and NoRoomError.
    """
    path = Path(name).expanduser()
    form = None if name in SOURCES or files_in(path) is not None else format_of(path)
    if size is None and (form is None or form.is_fast):
        return name
    return str(write_copy(images or load(name, size), folder))


def class_names(name: str) -> tuple[str, ...]:
    """Return the names of a known data set's labels, in their order; empty for any other."""
    return SOURCES[Dataset(name)].classes if name in SOURCES else ()


def prepare(name: str, source: Path | None = None, progress: Progress = _silent) -> Path:
    """Prepare a data set for ``load`` without network; return its folder.

    It is taken from the folder ``source``, replacing the one in the cache; or else used where it is
    found, or downloaded. It is checked before it is stored; a user's images are checked in place.
    """
    if name not in SOURCES and source is None:
        _load_own(name, None)
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
        f" or the path of {EXPECTED}."
    )


def _read_known(name: Dataset, folder: Path) -> Images:
    files = files_in(folder, SOURCES[name])
    if files is None:
        raise DataError(
            f"{folder}: {name}'s files are missing. Run `sweep data prepare {quote(name)}`."
        )
    return read_images(name, files, SOURCES[name])


def _load_own(name: str, size: Size | None) -> Images:
    path = Path(name).expanduser()
    if not path.exists():
        if "/" not in name and not path.suffix:
            _dataset(name)
        raise DataError(f"{path}: no such file or folder.")
    if not holds_idx(path):
        return read_own(path, name, size)
    files = files_in(path)
    if files is None:
        raise DataError(_lacks(path, None))
    return _resize(read_images(name, files), size)


def _resize(images: Images, size: Size | None) -> Images:
    if size is None or size == (images.shape.height, images.shape.width):
        return images
    train, test = (
        resize_images(images.unflatten(part), size).reshape(len(part), -1)
        for part in (images.train_images, images.test_images)
    )
    height, width = size
    shape = ImageShape(height=height, width=width, channels=images.shape.channels)
    return replace(images, train_images=train, test_images=test, shape=shape)


def _lacks(folder: Path, source: Source | None) -> str:
    if not folder.is_dir():
        return f"{folder}: no such folder."
    missing = missing_in(folder, source)
    return f"{folder}: lacks {', '.join(missing)} (each may end in .gz)."


def _files_to_copy(name: Dataset, folder: Path) -> Files:
    """Find the files in the folder, or in torchvision's layout below it."""
    source = SOURCES[name]
    for candidate in (folder, folder / str(source.torchvision) / "raw"):
        if (files := files_in(candidate, source)) is not None:
            return files
    raise DataError(_lacks(folder, source))


def _fetch(name: Dataset, progress: Progress) -> Path:
    progress(f"Downloading {name} into {cache_folder() / name}")
    with _temporary_folder() as folder, convert_write_errors(cache_folder() / name):
        try:
            raw = download(SOURCES[name], folder)
        except DataError as error:
            raise DataError(_three_ways(name, str(error))) from error
        return _keep(name, _files_to_copy(name, raw))


def _three_ways(name: Dataset, reason: str) -> str:
    source = SOURCES[name]
    package = source.debian_package
    debian = f"`apt install {package}`" if package else "Debian has no package for it"
    names = ", ".join(vars(source.names).values())
    command = f"sweep data prepare {quote(name)}"
    return (
        f"{name}: not on this machine, and the download failed ({reason}). Three ways to get it:\n"
        f"  1. `{command}` on a machine with network; it writes to {cache_folder()}\n"
        f"  2. `{command} --from DIR`, where DIR contains {names} (or these .gz)\n"
        f"  3. Debian's data set package: {debian}\n"
        f"'{Dataset.FASHION_MNIST_MINI}' comes with sweep."
    )


def _keep(name: Dataset, files: Files) -> Path:
    """Check the files and copy them into the cache atomically."""
    read_images(name, files, SOURCES[name])
    target = cache_folder() / name
    with _temporary_folder() as folder, convert_write_errors(target):
        copy = folder / name
        copy.mkdir()
        for path in files:
            assert path is not None  # known data sets have labels
            shutil.copyfile(path, copy / path.name)
        if target.is_symlink():
            target.unlink()
        shutil.rmtree(target, ignore_errors=True)
        copy.rename(target)
    return target


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """Create it within the cache, so that a rename stays on one file system."""
    root = cache_folder()
    with convert_write_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".preparing-", dir=root)
    with folder as path:
        yield Path(path)
