"""Run modules as commands in forks of a process that has loaded what they import.

Loading torch and Triton takes most of the time of a command that measures something tiny. A fork
has a module's globals, environment and working directory to itself, as a new process has.
"""

import math
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

#: Options of ``subprocess.run`` that a fork has, too.
_HONOURED = {"capture_output", "text", "env", "timeout"}


def run_module_forked(
    command: Sequence[str],  # Python, "-m", the module, its arguments
    environment: Mapping[str, str],
    *,
    stdout: int,
    stderr: int,
    timeout: float = math.inf,
) -> int:
    """Return the exit status of ``python -m MODULE …`` with its output in these files.

    Raises TimeoutExpired after ``timeout`` seconds.
    """
    variables = dict(environment)
    sys.stdout.flush(), sys.stderr.flush()
    if (pid := os.fork()) == 0:
        status = 1
        try:
            os.dup2(stdout, 1), os.dup2(stderr, 2)
            os.environ.clear(), os.environ.update(variables)
            status = _run_module(*command[2:])
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(status)
    deadline = time.monotonic() + timeout
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if time.monotonic() >= deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            raise subprocess.TimeoutExpired(list(command), timeout)
        time.sleep(0.01)
    return os.waitstatus_to_exitcode(ended[1])


def _run_module(module: str, *arguments: str) -> int:
    sys.argv = [module, *arguments]
    sys.modules.pop(module, None)  # it may be loaded, and is to run
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def fork_modules() -> None:
    """From now on ``subprocess.run`` forks where it would start such a command for its output."""
    start = subprocess.run

    def run(command: Any, **options: Any) -> subprocess.CompletedProcess[Any]:
        is_module = list(command[:2]) == [sys.executable, "-m"]
        is_for_output = options.get("capture_output") and options.get("text")
        if not (is_module and is_for_output and options.keys() <= _HONOURED):
            return start(command, **options)
        environment = options.get("env") or os.environ
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            status = run_module_forked(
                command,
                environment,
                stdout=out.fileno(),
                stderr=err.fileno(),
                timeout=options.get("timeout", math.inf),
            )
            out.seek(0), err.seek(0)
            return subprocess.CompletedProcess(command, status, out.read(), err.read())

    subprocess.run = run  # type: ignore[assignment]
