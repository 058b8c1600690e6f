"""Fork the processes of CPU workers from one process that has loaded torch for all of them.

Linux only. Until they are forked, killing the loading process kills all of them. Afterwards they
are ordinary child processes of this one.
"""

import ctypes
import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import IO, NamedTuple

from sweep.launch.process import (
    ANALYSIS_COMMAND,
    COMMAND,
    ChildProcess,
    WorkerProcess,
    worker_environment,
)

#: Command of the process that loads torch and forks the others.
LOADER: tuple[str, ...] = (sys.executable, "-m", "sweep.worker.preload")
#: Name of each command in ``sweep.worker.preload``, whose arguments begin with them.
NAMES = {COMMAND: "worker", ANALYSIS_COMMAND: "analysis"}

_POLL_SECONDS = 0.005
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h

_adoption_lock = threading.Lock()
#: Loaders whose forks we still have to adopt.
_n_loaders = 0


def start_processes(devices: Sequence[str], *, probe: bool = False) -> list[WorkerProcess]:
    """Start a worker's process for each device, and for ``probe`` on CPUs that of the analysis.

    Raises OSError without resources for them.
    """
    if all(device == "cpu" for device in devices):
        with suppress(OSError):  # unsupported; or without resources, which shows again below
            return preload([COMMAND] * len(devices) + [ANALYSIS_COMMAND] * probe)
    with ExitStack() as started:
        processes: list[WorkerProcess] = []
        for device in devices:
            processes.append(WorkerProcess(device))
            started.callback(processes[-1].discard)
        started.pop_all()
    return processes


def preload(commands: Sequence[tuple[str, ...]]) -> list[WorkerProcess]:
    """Start a process that loads torch and forks a process for each of these commands.

    Raises OSError without resources for it, or if we cannot become the parent of its forks.
    """
    with ExitStack() as ours, ExitStack() as theirs:
        streams = [_open_streams(ours, theirs) for _ in commands]
        loader = Loader([NAMES[command] for command in commands], streams)
        ours.pop_all()
    return [
        ForkedProcess(command, ForkedPopen(loader, place, streams[place]), streams[place].stderr)
        for place, command in enumerate(commands)
    ]


class Streams(NamedTuple):
    """The standard streams of a process that is to be forked."""

    stdin: IO[bytes]
    stdout: IO[bytes]
    stderr: IO[bytes]
    #: The ends that the process uses, in this order.
    descriptors: tuple[int, int, int]


def _open_streams(ours: ExitStack, theirs: ExitStack) -> Streams:
    their_stdin, stdin = os.pipe()
    theirs.callback(os.close, their_stdin)
    stdin_file = ours.enter_context(os.fdopen(stdin, "wb"))
    stdout, their_stdout = os.pipe()
    theirs.callback(os.close, their_stdout)
    stdout_file = ours.enter_context(os.fdopen(stdout, "rb"))
    stderr = ours.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - it does
    return Streams(stdin_file, stdout_file, stderr, (their_stdin, their_stdout, stderr.fileno()))


class Loader(ChildProcess):
    """The process that loads torch, forks the others, prints their process ids and exits."""

    def __init__(self, names: Sequence[str], streams: Sequence[Streams]) -> None:
        arguments = [
            f"{name}:{','.join(map(str, of.descriptors))}"
            for name, of in zip(names, streams, strict=True)
        ]
        self._lock = threading.Lock()
        self._pids: list[int] | None = None
        _adopt_orphans(True)
        try:
            super().__init__(
                [*LOADER, *arguments],
                # NumPy's BLAS would start threads before the fork; workers compute with torch's.
                {**worker_environment("cpu"), "OPENBLAS_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                pass_fds=[descriptor for of in streams for descriptor in of.descriptors],
            )
        except OSError:
            _adopt_orphans(False)
            raise

    @property
    def pids(self) -> list[int] | None:
        """Return the process ids of its forks, in order; None until it has exited."""
        with self._lock:
            if self._pids is None and self.popen.poll() is not None:
                assert self.popen.stdout is not None
                with self.popen.stdout as lines, self.stderr:
                    self._pids = [int(line) for line in lines]
                _adopt_orphans(False)  # nobody would wait for others
            return self._pids

    def kill(self) -> None:
        """Kill it with all its forks; only while ``pids`` are unknown."""
        with suppress(ProcessLookupError):
            os.killpg(self.popen.pid, signal.SIGKILL)


def _adopt_orphans(adopt: bool) -> None:
    """Become the parent of a loader's forks once it has exited, or cease to be.

    While several loaders run, we cease with the last one. Raises OSError if the system does not
    support it.
    """
    global _n_loaders
    with _adoption_lock:
        n = _n_loaders + (1 if adopt else -1)
        _set_subreaper(n > 0)
        _n_loaders = n


def _set_subreaper(is_subreaper: bool) -> None:
    """Adopt descendants whose own parents have ended, or cease to.

    Raises OSError if the system does not support it.
    """
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, int(is_subreaper), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class ForkedProcess(WorkerProcess):
    """A process that a loader forks."""

    def __init__(
        self, command: tuple[str, ...], popen: "ForkedPopen", stderr: IO[bytes]
    ) -> None:  # replaces the other constructors, which start a process
        self.device = "cpu"
        self.command = command
        self.popen = popen
        self.stderr = stderr


class ForkedPopen:
    """The used part of ``subprocess.Popen``, for a process that a loader forks."""

    def __init__(self, loader: Loader, place: int, streams: Streams) -> None:
        """Represent the loader's fork number ``place``, counted from 0."""
        self.stdin: IO[bytes] | None = streams.stdin
        self.stdout: IO[bytes] | None = streams.stdout
        self._loader = loader
        self._place = place
        self._returncode: int | None = None
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        """Its process id; 0 until it is forked."""
        return self._find_pid() or 0

    def _find_pid(self) -> int | None:
        """Return its process id: None until it is forked, 0 if it never will be."""
        pids = self._loader.pids
        if pids is None:
            return None
        return pids[self._place] if self._place < len(pids) else 0

    def kill(self) -> None:
        """Kill the process, or prevent its fork."""
        with self._lock:
            if self._returncode is not None:
                return
            if (pid := self._find_pid()) is None:
                self._loader.kill()
            elif pid:
                os.kill(pid, signal.SIGKILL)

    def poll(self) -> int | None:
        """Return its exit code, or that of a loader which did not fork it; None while it runs."""
        with self._lock:
            if self._returncode is None and (pid := self._find_pid()) is not None:
                self._returncode = _poll(pid) if pid else self._loader.popen.poll()
            return self._returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return its exit code. Raises TimeoutExpired."""
        began = time.monotonic()
        while (code := self.poll()) is None:
            if timeout is not None and time.monotonic() - began >= timeout:
                raise subprocess.TimeoutExpired("", timeout)
            time.sleep(_POLL_SECONDS)
        return code


def _poll(pid: int) -> int | None:
    """Return the exit code of a child process; None while it runs."""
    try:
        ended, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:  # it ended, and something else waited for it; as in Popen
        return 0
    return os.waitstatus_to_exitcode(status) if ended else None
