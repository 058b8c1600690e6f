"""Define all errors in one tree; only the CLI prints them and chooses the exit code.

SweepError                  1  anything else
├── UsageError              2  options that contradict each other
├── NotFoundError           3  no such study or trial
├── StudyFileError          4  the study file, or a change of its space, is invalid
├── StoreError              5  database unreachable, on a failing disk, or its schema unknown
│   ├── CorruptValueError   5  a value in the database that sweep never writes
│   ├── StoreGoneError      5  the database in use was removed, replaced, or lost what it had
│   └── LeaseLostError      7  another coordinator took over the study
├── FailureLimitError       6  too many trials failed
├── StudyHeldError          7  another coordinator holds the study
├── DeviceError             8  the requested device does not exist, or the Ray cluster is lost
│   └── FusedUnavailableError  8  the fused trainer cannot be used on a device
├── DataError               9  data missing or damaged
└── NoRoomError            10  disk full, or no permission to write
"""

import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import ClassVar


class SweepError(Exception):
    """An error with a message for the user: what was wrong, what was given, how to fix it."""

    exit_code: ClassVar[int] = 1


class UsageError(SweepError):
    """Options or arguments that cannot go together."""

    exit_code = 2


class NotFoundError(SweepError):
    """No study or trial with that name or number."""

    exit_code = 3


class StudyFileError(SweepError):
    """An invalid study file; carries all problems at once.

    ``problems`` are lines like ``space.hidden_width: low (512) must be below high (64).``
    """

    exit_code = 4

    def __init__(self, source: str, problems: Sequence[str]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = f"{len(problems)} problem" + ("" if len(problems) == 1 else "s")
        super().__init__("\n  ".join([f"{source}: {count}", *problems]))


class StoreError(SweepError):
    """The database cannot be reached, or has a schema that this version does not support."""

    exit_code = 5


class CorruptValueError(StoreError):
    """A value in the database does not fit its column's type; sweep never writes such a value."""

    def __init__(self, place: str, why: str, *, study: str | None = None, row: str = "") -> None:
        self.place, self.why, self.study, self.row = place, why, study, row
        whose = "" if study is None else f"study '{study}': "
        remedy = "put a backup back"
        if study is not None:
            remedy = (
                f"`sweep doctor {shlex.quote(study)}` lists every such value; put a backup back, "
                f"or `sweep delete {shlex.quote(study)}` removes the study"
            )
        super().__init__(
            f"{whose}{place}{f' of {row}' if row else ''} cannot be used: {why}. Something other "
            f"than sweep wrote it: {remedy}."
        )


class StoreGoneError(StoreError):
    """The database was replaced or lost data since it was opened: waiting would not help."""


class FailureLimitError(SweepError):
    """More trials failed than the study file's budget allows."""

    exit_code = 6


class StudyHeldError(SweepError):
    """Another coordinator holds the study's lease."""

    exit_code = 7


class LeaseLostError(StoreError):
    """This coordinator's lease was taken over; it must write no more."""

    exit_code = 7


class DeviceError(SweepError):
    """The requested device is not on this machine."""

    exit_code = 8


class FusedUnavailableError(DeviceError):
    """The fused trainer cannot be used on this device; the reference trainer may still work.

    ``details`` are lines such as each difference that the self-check found too large.
    """

    def __init__(self, reason: str, details: Iterable[str] = ()) -> None:
        super().__init__("\n  ".join([reason, *details]))


class DataError(SweepError):
    """A data set is missing, or its files are invalid."""

    exit_code = 9


class NoRoomError(SweepError):
    """The disk is full, or there is no permission to write."""

    exit_code = 10


def make_error(name: str, message: str) -> SweepError:
    """Build an error of this class that another process reports.

    SweepError for an unknown class.
    """
    cls = globals().get(name)
    if isinstance(cls, type) and issubclass(cls, SweepError):
        with suppress(TypeError):  # it needs more than a message
            return cls(message)
    return SweepError(message)
