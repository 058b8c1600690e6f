"""Connect to a child process through its pipes: one line per record in both directions."""

import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

from sweep.launch.process import ChildProcess
from sweep.worker.heartbeat import HEARTBEAT_SECONDS

Record = TypeVar("Record")


class ChildLink(Generic[Record]):
    """Writes records to a child's input in one thread, and reads its output's lines in another.

    A stalled child does not empty its pipe, and must not block the sender.
    """

    def __init__(
        self,
        process: ChildProcess,
        *,
        encode: Callable[[Record], bytes],
        heartbeat: Record,
        receive: Callable[[bytes], None],
        ended: Callable[[int | None, str], None],
    ) -> None:
        """Attach to a process that was started with pipes.

        ``heartbeat`` is sent when nothing else is. ``receive`` is called with each line; if it
        raises ValueError, the process is killed. ``ended`` is called once, with the exit code (None
        after such a line) and how the process ended. Raises OSError if the threads cannot be
        started.
        """
        self.popen = process.popen
        self._process = process
        self._encode = encode
        self._heartbeat = heartbeat
        self._receive = receive
        self._ended = ended
        #: Not yet in the pipe; None closes it.
        self._records: SimpleQueue[Record | None] = SimpleQueue()
        try:
            for run in (self._read, self._write):
                threading.Thread(target=run, name=f"link-{self.popen.pid}", daemon=True).start()
        except RuntimeError as error:  # how Python reports that it cannot start a thread
            process.discard()
            raise OSError(errno.EAGAIN, str(error)) from error

    def send(self, record: Record) -> None:
        """Queue a record; drop it if the process has ended."""
        self._records.put(record)

    def close(self) -> None:
        """Close the process's input after the queued records."""
        self._records.put(None)

    def _write(self) -> None:
        stdin = self.popen.stdin
        assert stdin is not None
        with suppress(OSError, ValueError):  # it has ended, which the reading thread reports
            while (record := self._next_record()) is not None:
                stdin.write(self._encode(record))
                stdin.flush()
        with suppress(OSError):
            stdin.close()

    def _next_record(self) -> Record | None:
        try:
            return self._records.get(timeout=HEARTBEAT_SECONDS)
        except Empty:
            return self._heartbeat

    def _read(self) -> None:
        stdout = self.popen.stdout
        assert stdout is not None
        unreadable = ""
        for line in stdout:
            try:
                self._receive(line)
            except ValueError:
                self.popen.kill()
                if line.endswith(b"\n"):  # else its sender died while writing it
                    unreadable = f"killed: it sent an unreadable line: {line[:80]!r}"
                break
        code, how = self._process.wait()
        stdout.close()  # a long study may start thousands of workers
        self.close()
        self._ended(None if unreadable else code, unreadable or how)
