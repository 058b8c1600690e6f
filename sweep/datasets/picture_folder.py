"""Read a folder of PNG and JPEG files: sub-folders are classes; ``train/`` and ``test/`` divide it.

Pillow decodes no other format here, checks the size before decoding, and follows no link out of the
folder.
"""

import io
import struct
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from sweep.datasets.arrays import RawImages, RawPart
from sweep.datasets.idx import LARGEST_BYTES
from sweep.errors import DataError
from sweep.files import read_regular
from sweep.messages import LARGEST_SIDE, ImageShape

SUFFIXES = (".png", ".jpg", ".jpeg")
#: Limit on a file, and on the picture in it: what a 50-megapixel camera writes.
LARGEST_FILE = 100_000_000
MOST_PIXELS = 60_000_000
MOST_FILES = 4_000_000
_TRAIN = ("train", "training")
_TEST = ("test", "testing")
#: They replace test images if there is no such folder.
_VALIDATION = ("val", "valid", "validation")
#: Files that a message names at most.
_N_LISTED = 5
_N_THREADS = 2
_RESIZE = "`data.size = [HEIGHT, WIDTH]` resizes all of them."


class _Division(NamedTuple):
    """The files of a part by class; files without a class have an empty text."""

    root: Path
    files: list[tuple[str, Path]]


class Decoded(NamedTuple):
    """An image's pixels: (height, width) grey, or (height, width, 3)."""

    pixels: NDArray[np.uint8]

    @property
    def shape(self) -> ImageShape:
        """Return the size of the picture."""
        height, width, *channels = self.pixels.shape
        return ImageShape(height=height, width=width, channels=channels[0] if channels else 1)


def holds_pictures(folder: Path) -> bool:
    """Return whether there is a PNG or JPEG file in the folder or below it.

    Not for a whole disk.
    """
    if folder.resolve() == Path(folder.resolve().anchor):
        return False
    with suppress(OSError):
        return any(_is_picture(path) for path in folder.rglob("*"))
    return False


def read_picture_folder(folder: Path, name: str, size: tuple[int, int] | None = None) -> RawImages:
    """Read all pictures of a folder, resized to ``size``, (height, width), if it is given.

    Raises DataError with the first files that cannot be read, or that differ in size.
    """
    train, test, unused = _divide(folder)
    parts = [train] if test is None else [train, test]
    decoded = [_decode_all(part, folder, size) for part in parts]
    shape = _common_shape(
        [(path, of.shape) for part, found in zip(parts, decoded, strict=True)
         for (_, path), of in zip(part.files, found, strict=True)],
        folder,
    )  # fmt: skip
    made = [
        RawPart(stack_images(found, shape), _labels(part.files))
        for part, found in zip(parts, decoded, strict=True)
    ]
    return RawImages(
        name=name,
        shape=shape,
        train=made[0],
        test=made[1] if len(made) == 2 else None,
        unused=unused,
    )


def _divide(folder: Path) -> tuple[_Division, _Division | None, tuple[str, ...]]:
    below = {path.name.lower(): path for path in sorted(folder.iterdir()) if path.is_dir()}
    train = next((below[name] for name in _TRAIN if name in below), None)
    if train is None:
        found, unused = _files_of(folder)
        return found, None, _listed_unused(unused)
    test = next((below[name] for name in (*_TEST, *_VALIDATION) if name in below), None)
    if test is None:
        raise DataError(
            f"{folder}: it has {train.name}/ but no test/. Add test/, or name {train} "
            "itself: a fifth of its images is then held out for tests."
        )
    others = [path for path in below.values() if path not in (train, test)]
    (found, left), (tested, left_too) = _files_of(train), _files_of(test)
    return (
        found,
        tested,
        (*(f"folder {path.name}/" for path in others), *_listed_unused(left + left_too)),
    )


def _files_of(root: Path) -> tuple[_Division, int]:
    """List pictures below a folder in the order of their paths; count the other files."""
    files, n_others = [], 0
    inside = root.resolve()
    for path in sorted(_visible(root)):
        if not _is_picture(path):
            n_others += 1
            continue
        if not path.resolve().is_relative_to(inside):
            raise DataError(
                f"{path}: a link out of {root}. Copy the file, or name the target folder."
            )
        parts = path.relative_to(root).parts
        files.append((parts[0] if len(parts) > 1 else "", path))
        if len(files) > MOST_FILES:
            raise DataError(f"{root}: more than {MOST_FILES:,} pictures.")
    if not files:
        raise DataError(f"{root}: no PNG or JPEG file in it or its sub-folders.")
    without = next((path for of, path in files if not of), None)
    if without is not None and any(of for of, _ in files):
        raise DataError(
            f"{root}: pictures beside sub-folders of pictures ({without.name}, "
            f"{next(of for of, _ in files if of)}/). Sub-folders are classes: put each picture "
            "into one, or all of them into the folder itself."
        )
    return _Division(root, files), n_others


def _visible(root: Path) -> Iterator[Path]:
    """Yield files below a folder, without hidden ones and those that macOS and Windows add."""
    for path in root.rglob("*"):
        parts = path.relative_to(root).parts
        hidden = any(part.startswith((".", "__MACOSX")) or part == "Thumbs.db" for part in parts)
        if not hidden and not path.is_dir():
            yield path


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _listed_unused(n: int) -> tuple[str, ...]:
    return (f"{n:,} files that are neither PNG nor JPEG",) if n else ()


def _labels(files: Sequence[tuple[str, Path]]) -> NDArray[np.str_] | None:
    return np.array([of for of, _ in files]) if files[0][0] else None


def _decode_all(part: _Division, folder: Path, size: tuple[int, int] | None) -> list[Decoded]:
    """Decode a part's files. Raises DataError with the first that cannot be read."""

    def decode_file(path: Path) -> Decoded | str:
        try:
            return decode(read_regular(path, LARGEST_FILE), str(path.relative_to(folder)), size)
        except DataError as error:
            return str(error).removeprefix(f"{folder}/")
        except OSError as error:
            return f"{path.relative_to(folder)}: cannot be read: {error.strerror}."

    decoded: list[Decoded] = []
    problems: list[str] = []
    total = 0
    with ThreadPoolExecutor(_N_THREADS) as pool:
        for found in pool.map(decode_file, (path for _, path in part.files)):
            if isinstance(found, str):
                problems.append(found)
                if len(problems) > 10 * _N_LISTED:
                    break
                continue
            total += found.pixels.nbytes
            if total > LARGEST_BYTES:
                pool.shutdown(cancel_futures=True)
                raise DataError(
                    f"{folder}: its pictures take more than {LARGEST_BYTES:,} bytes. {_RESIZE}"
                )
            decoded.append(found)
    if problems:
        raise DataError(_several(f"{folder}: files that cannot be used", problems))
    return decoded


def _several(what: str, lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - _N_LISTED:,} more"] if len(lines) > _N_LISTED else []
    return "\n  ".join([f"{what}:", *lines[:_N_LISTED], *more])


def decode(content: bytes, what: str, size: tuple[int, int] | None = None) -> Decoded:
    """Decode a PNG or JPEG file, apply its EXIF orientation, and resize it to (height, width).

    Raises DataError for other formats and for images that are damaged, transparent, too large, or
    have more than 8 bits per channel.
    """
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG")) as image:
            _check_size(image, what, size)
            image.load()
            found = _plain(ImageOps.exif_transpose(image), what)
    except UnidentifiedImageError:
        raise DataError(f"{what}: not a PNG or JPEG file.") from None
    except _DAMAGED as error:
        raise DataError(f"{what}: damaged ({error}).") from error
    if size is not None and (found.height, found.width) != size:
        found = found.resize((size[1], size[0]))
    return Decoded(np.asarray(found, dtype=np.uint8))


#: What Pillow raises for a file whose content contradicts its header.
_DAMAGED = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, OverflowError),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)


def _check_size(image: Image.Image, what: str, size: tuple[int, int] | None) -> None:
    if image.width * image.height > MOST_PIXELS:
        raise DataError(
            f"{what}: {image.height:,} x {image.width:,} pixels; the limit for decoding is "
            f"{MOST_PIXELS:,}."
        )
    if size is None and max(image.size) > LARGEST_SIDE:
        raise DataError(
            f"{what}: {image.height:,} x {image.width:,} pixels; the limit for training is "
            f"{LARGEST_SIDE} per side. {_RESIZE}"
        )


def _plain(image: Image.Image, what: str) -> Image.Image:
    """Convert the image to grey or RGB of 8 bits."""
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        raise DataError(f"{what}: more than 8 bits per pixel (mode {image.mode}). Save it with 8.")
    if image.mode in ("1", "L"):
        return image.convert("L") if "transparency" not in image.info else _opaque(image, "L", what)
    if image.mode in ("LA", "La"):
        return _opaque(image, "L", what)
    if image.mode in ("RGBA", "PA", "RGBa") or "transparency" in image.info:
        return _opaque(image, "RGB", what)
    return image.convert("RGB")


def _opaque(image: Image.Image, mode: str, what: str) -> Image.Image:
    alpha = image.convert("RGBA").getchannel("A")
    if alpha.getextrema() != (255, 255):
        raise DataError(
            f"{what}: partly transparent, so its pixels depend on the background. "
            "`mogrify -background white -alpha remove -alpha off FILES` (ImageMagick) makes "
            "the background white."
        )
    return image.convert(mode)


def _common_shape(shapes: Sequence[tuple[Path, ImageShape]], folder: Path) -> ImageShape:
    """Return the shape of all images; RGB if one of them is. Raises DataError if sizes differ."""
    sizes: dict[tuple[int, int], list[Path]] = {}
    for path, shape in shapes:
        sizes.setdefault((shape.height, shape.width), []).append(path)
    (height, width), *others = sorted(sizes, key=lambda size: -len(sizes[size]))
    if others:
        n = len(sizes[height, width])
        odd = [
            f"{path.relative_to(folder)}: {size[0]} x {size[1]}"
            for size in others
            for path in sizes[size]
        ]
        raise DataError(
            _several(
                f"{folder}: pictures of {len(sizes):,} sizes; {n:,} are {height} x {width} (height "
                f"x width), {len(odd):,} are not. {_RESIZE} The others",
                odd,
            )
        )
    channels = max(shape.channels for _, shape in shapes)
    return ImageShape(height=height, width=width, channels=channels)


def stack_images(images: Iterable[Decoded], shape: ImageShape) -> NDArray[np.uint8]:
    """Stack images of one height and width as rows (N, D); grey ones become RGB if others are."""
    found = list(images)
    rows = np.empty((len(found), *shape.array_shape), np.uint8)
    for place, image in enumerate(found):
        is_grey = image.pixels.ndim == 2
        rows[place] = image.pixels[..., None] if is_grey and shape.channels == 3 else image.pixels
    return rows.reshape(len(found), -1)
