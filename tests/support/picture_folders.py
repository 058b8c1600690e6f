"""Folders of pictures."""

from pathlib import Path

from PIL import Image


def paint(path: Path, value: int = 0, *, mode: str = "L", size: tuple[int, int] = (4, 3)) -> Path:
    """Write a picture of one colour; ``size`` is (width, height), as Pillow has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = value if mode in ("L", "I;16", "1") else (value,) * len(mode)
    Image.new(mode, size, colour).save(path)
    return path


def fill(folder: Path, n: int = 10, *, mode: str = "L") -> Path:
    for value in range(n):
        paint(folder / f"{value:03}.png", value, mode=mode)
    return folder
