"""Commands that only look must answer at once, so nothing heavy may be loaded on their way."""

import subprocess
import sys
from pathlib import Path

import pytest

#: What takes a tenth of a second or more, and commands that read a store do without.
HEAVY = ("torch", "torchvision", "plotly", "scipy", "dash", "psycopg")

SCRIPT = """
import sys
from sweep.cli import main
sys.argv = ["sweep", *{arguments!r}]
try:
    main()
finally:
    loaded = {{name.partition(".")[0] for name in sys.modules}}
    print("heavy:", *sorted(loaded & {{{heavy}}}))
"""


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["status", "no-such-study"]])
def test_a_command_that_only_looks_loads_nothing_heavy(
    arguments: list[str], tmp_path: Path
) -> None:
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(arguments=arguments, heavy=str(HEAVY)[1:-1])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert process.stdout.splitlines()[-1] == "heavy:", process.stderr


def test_help_loads_no_library_but_the_command_lines() -> None:
    script = (
        "import sys, sweep.cli.application; print(*{'numpy', 'optuna', 'PIL'} & {*sys.modules})"
    )
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (0, "\n"), process.stderr


def test_the_dashboard_does_without_torch() -> None:
    script = "import sys, sweep.dashboard; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_the_public_api_is_loaded_when_it_is_first_used() -> None:
    script = """
import sys, sweep
heavy = {"torch", "optuna", "sqlalchemy", "plotly", "numpy", "narwhals", "rich", "typer"}
print(*sorted(heavy & {*sys.modules}))
assert {"open", "run", "Study"} <= {*dir(sweep)}
sweep.open
print(*sorted({"torch", "plotly", "pandas", "polars"} & {*sys.modules}))
"""
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (process.returncode, process.stdout) == (0, "\n\n"), process.stderr


def test_importing_sweep_takes_a_small_part_of_what_it_would_load() -> None:
    script = """
import time
start = time.perf_counter(); import sweep
own = time.perf_counter() - start
start = time.perf_counter(); import sqlalchemy, optuna
print(own / (time.perf_counter() - start))
"""
    process = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert float(process.stdout) < 0.2, process.stderr
