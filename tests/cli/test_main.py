"""The end of a command."""

import subprocess
import sys

#: What is registered first runs last, when the command has ended.
SHOW_FROZEN = """
import atexit, gc, sys
atexit.register(lambda: print(gc.get_freeze_count() > len(gc.get_objects())))
from sweep.cli import main
sys.argv = ["sweep", "--version"]
main()
"""


def test_a_command_ends_without_looking_for_garbage_among_all_that_it_has_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW_FROZEN], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "True"
