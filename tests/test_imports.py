"""Commands that only look must answer at once, so nothing heavy may be loaded on their way."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from sweep.cli import main
sys.argv = ["sweep", *{arguments!r}]
try:
    main()
finally:
    loaded = {{name.partition(".")[0] for name in sys.modules}}
    print("heavy:", *sorted(loaded & {{"torch", "torchvision", "plotly", "scipy", "dash"}}))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["status", "no-such-study"]])
def test_a_command_that_only_looks_loads_nothing_heavy(
    arguments: list[str], tmp_path: Path
) -> None:
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(arguments=arguments)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert process.stdout.splitlines()[-1] == "heavy:", process.stderr


def test_the_dashboard_does_without_torch() -> None:
    script = "import sys, sweep.dashboard; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
