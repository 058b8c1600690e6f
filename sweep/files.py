"""Read files that somebody else may have put there, and choose names for our own."""

import errno
import logging
import os
import re
import stat
from pathlib import Path
from typing import BinaryIO

from sweep.errors import DataError, UsageError

#: Far above the weights of 65,536 hidden units and 28 x 28 pixels.
LARGEST_WEIGHTS = 1 << 30

_LARGEST_SECRET = 4096
_LONGEST_FILE_NAME = 200
_LOG = logging.getLogger(__name__)


def read_regular(path: Path, largest: int, *, follow_links: bool = True) -> bytes:
    """Read a regular file. Raises OSError, and DataError for a pipe, a device or an oversized file.

    Opening does not wait for a pipe's other end and, without ``follow_links``, does not leave the
    folder.
    """
    with open_regular(path, largest, follow_links=follow_links) as file:
        return file.read(min(os.fstat(file.fileno()).st_size, largest))


def open_regular(path: Path, largest: int, *, follow_links: bool = True) -> BinaryIO:
    """Open a regular file to read. Raises what ``read_regular`` raises."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow_links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise DataError(f"{path}: not a regular file but a link.") from error
        raise
    file = os.fdopen(descriptor, "rb")
    try:
        _check_regular(path, os.fstat(descriptor), largest)
    except BaseException:
        file.close()
        raise
    return file


def _check_regular(path: Path, found: os.stat_result, largest: int) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path}: not a regular file but a pipe, socket or device.")
    if found.st_size > largest:
        raise DataError(f"{path}: larger than {largest:,} bytes, which is the most it can be.")


def read_secret(path: Path) -> str:
    """Read a file that holds a password, and strip whitespace around it.

    Logs a warning if everybody on this machine can read the file. Raises OSError and
    UnicodeDecodeError, and DataError if it is not a regular file or too large for a password.
    """
    content = read_regular(path, _LARGEST_SECRET)
    # In a container only its single user can see /run/secrets, whatever the modes.
    if path.stat().st_mode & stat.S_IROTH and not path.absolute().is_relative_to("/run/secrets"):
        _LOG.warning("%s: everybody on this machine can read it: chmod 600 keeps it.", path)
    return content.decode().strip()


def secret_from_environment(name: str) -> str | None:
    """Read a secret from the file that the variable NAME_FILE names, or else from NAME itself.

    Others could read it on the command line. Raises UsageError for a file that cannot be read.
    """
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return os.environ.get(name) or None
    try:
        return read_secret(Path(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"{name}_FILE: {path}: {reason}.") from error
    except DataError as error:
        raise UsageError(f"{name}_FILE: {error}") from error


def file_name(study: str) -> str:
    """Convert a study's name to the beginning of a file name, which cannot leave its folder.

    Our names are valid already, but those of Optuna or of a database that others write to may not
    be.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]", "_", study)[:_LONGEST_FILE_NAME]
    return re.sub(r"^[.-]", "_", safe) or "_"
