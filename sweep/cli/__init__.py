"""The command line: each command reads options, calls one function, prints the result.

Results go to stdout, progress and messages to stderr. Here alone errors are printed and exit codes
chosen. Modules import the layers below inside their commands, so that help is quick, and nothing
that only reads loads torch.
"""

from sweep.cli.application import app
from sweep.cli.entry import main

__all__ = ["app", "main"]
