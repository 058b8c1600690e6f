"""The command line: each command reads options, calls one function, prints the result.

Results go to stdout, progress and messages to stderr. Only this package prints errors and chooses
exit codes. The module of a command is imported when the command is used (``lazy``); what trains,
and what ``sweep start`` needs later than its workers, is imported inside functions.
"""

import atexit
import gc
import sys

_INTERRUPTED = 130  # options.INTERRUPTED, which is not imported yet


def main() -> None:
    """Run the command line and exit with its code."""
    # Otherwise the interpreter traverses all objects of Optuna and SQLAlchemy at exit: 0.4 s.
    atexit.register(gc.freeze)
    try:
        from sweep.cli import entry  # here, because of Ctrl-C during the import

        sys.exit(entry.main())
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
