"""The command line: each command reads options, calls one function, prints the result.

Results go to stdout, progress and messages to stderr. Here alone errors are printed and exit codes
chosen. Modules import the layers below inside their commands, so that help is quick, and nothing
that only reads loads torch.
"""

import atexit
import gc
import sys

_INTERRUPTED = 130  # options.INTERRUPTED, which is not read yet


def main() -> None:
    """Run the command line and exit with its code."""
    # Else the interpreter looks for garbage in all that Optuna and SQLAlchemy loaded: 0.4 s.
    atexit.register(gc.freeze)
    try:
        from sweep.cli import entry  # here, for Ctrl-C while it is read

        sys.exit(entry.main())
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
