"""Download a data set through torchvision, which knows the mirrors and MD5 checksums.

torchvision imports torch, which takes seconds: it is imported only when it is needed.
"""

import importlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sweep.datasets.places import NO_ROOM
from sweep.datasets.registry import Source
from sweep.errors import DataError

#: A mirror that does not answer within this time is skipped.
TIMEOUT_SECONDS = 20.0


def download(source: Source, folder: Path) -> Path:
    """Download into ``folder``; return the files' folder within it.

    A DataError says why it failed; an OSError of this machine's disk is not converted.
    """
    try:
        datasets = importlib.import_module("torchvision.datasets")
    except ImportError as error:
        raise DataError(
            f"torchvision, which downloads it, cannot be imported ({error}): "
            "`pip install 'sweep-autoencoder[train]'`"
        ) from error
    with _timeout():
        try:
            fetched = getattr(datasets, str(source.torchvision))(
                str(folder), download=True, **source.torchvision_options
            )
        except (RuntimeError, OSError) as error:
            if isinstance(error, OSError) and error.errno in NO_ROOM:
                raise
            raise DataError(_last_line(error)) from error
    return Path(fetched.raw_folder)


@contextmanager
def _timeout() -> Iterator[None]:
    """Limit the wait for a silent mirror: torchvision passes no timeout to urllib."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _last_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else type(error).__name__
