"""Lines to and from a child process."""

import errno
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from sweep.launch.process import ChildProcess
from sweep.worker.heartbeat import HEARTBEAT_SECONDS


class Channel:
    """Exchanges lines with a child process; one thread writes, another reads.

    ``send`` never waits: a process that stalls does not empty its pipe, and must not hold up its
    parent. ``receive`` gets each line; where it raises ValueError the process is killed. ``end``
    gets the exit code and how the process ended, after its last line.
    """

    def __init__(
        self,
        process: ChildProcess,
        receive: Callable[[bytes], None],
        end: Callable[[int, str], None],
        *,
        heartbeat: bytes,
    ) -> None:
        """Start the threads; ``heartbeat`` is sent while there is nothing else to send.

        Kills the process and raises OSError where there is no room for its threads.
        """
        self.process = process
        self._receive = receive
        self._end = end
        self._heartbeat = heartbeat
        #: Not yet in the pipe; None closes it.
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        try:
            for run in (self._read, self._write):
                threading.Thread(target=run, name="channel", daemon=True).start()
        except RuntimeError as error:  # Python's way to say that there is no room for a thread
            process.discard()
            raise OSError(errno.EAGAIN, str(error)) from error

    def send(self, line: bytes) -> None:
        """Queue a line; it is dropped where the process has ended."""
        self._lines.put(line)

    def close(self) -> None:
        """End the process's input, after the lines that are queued."""
        self._lines.put(None)

    def _write(self) -> None:
        stdin = self.process.popen.stdin
        assert stdin is not None
        with suppress(OSError, ValueError):  # it has ended, which the reading thread reports
            while (line := self._next_line()) is not None:
                stdin.write(line)
                stdin.flush()
        with suppress(OSError):
            stdin.close()

    def _next_line(self) -> bytes | None:
        try:
            return self._lines.get(timeout=HEARTBEAT_SECONDS)
        except Empty:
            return self._heartbeat

    def _read(self) -> None:
        stdout = self.process.popen.stdout
        assert stdout is not None
        unreadable = ""
        for line in stdout:
            try:
                self._receive(line)
            except ValueError:
                self.process.popen.kill()
                if line.endswith(b"\n"):  # else its sender's death has cut it off
                    unreadable = f"ended, for it sent a line that cannot be read: {line[:80]!r}"
                break
        self._lines.put(None)
        code, how = self.process.wait()
        stdout.close()  # a long study may start thousands of workers
        self._end(code, unreadable or how)
