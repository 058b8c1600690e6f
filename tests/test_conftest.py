"""The test house itself: databases that start empty, and nothing that is skipped unseen."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, text

from tests.support import skips

ROOT = Path(__file__).parent.parent


def test_each_test_gets_an_empty_database(storage_url: str) -> None:
    engine = create_engine(storage_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE left_behind (x INTEGER)"))
    assert inspect(engine).get_table_names() == ["left_behind"]
    engine.dispose()


def test_two_databases_of_one_server_are_apart(postgres_url: str, postgres_server) -> None:
    assert postgres_server.new_database() != postgres_url


@pytest.fixture
def skipping(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Run a file of skips under our plugin, with CI set or not."""
    monkeypatch.setattr("tests.support.skips._has_cuda", lambda: False)
    pytester.makeini("[pytest]\nmarkers =\n    gpu\n    emulated\n    root_only")
    pytester.makepyfile(
        """
        import pytest

        def test_runs(): pass

        def test_lacks_something(): pytest.skip("no server")

        @pytest.mark.skip("never")
        def test_marked(): pass

        @pytest.mark.xfail
        def test_known_bug(): raise AssertionError

        @pytest.mark.gpu
        def test_wants_a_gpu(): raise AssertionError

        @pytest.mark.emulated
        def test_meets_a_new_instruction(): pytest.skip("unknown instruction: mul.hi.u32")
        """
    )

    def run(ci: str) -> dict[str, int]:
        monkeypatch.setenv("CI", ci)
        # Only our plugin is looked at: playwright's cannot run within itself, dash's warns.
        plugins = ("-p", "no:playwright", "-p", "no:dash", "-p", "tests.support.skips")
        return pytester.runpytest_inprocess(*plugins).parseoutcomes()

    return run


def test_a_skip_on_a_desk_is_a_skip(skipping) -> None:
    assert skipping(ci="") == {"passed": 1, "skipped": 4, "xfailed": 1}


def test_a_skip_in_ci_fails_unless_a_gpu_or_the_emulator_is_the_reason(skipping) -> None:
    assert skipping(ci="true") == {
        "passed": 1,
        "skipped": 2,
        "failed": 1,
        "errors": 1,
        "xfailed": 1,
    }


def test_a_module_that_skips_itself_fails_in_ci(skipping, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_other='import pytest\npytest.importorskip("no_such_module")')
    assert skipping(ci="true")["errors"] >= 1


# On a GPU


def run_gpu_test(pytester: pytest.Pytester, *options: str) -> dict[str, int]:
    """Run a file with one test of a GPU; it fails where it runs."""
    pytester.makeini("[pytest]\nmarkers =\n    gpu\n    root_only")
    pytester.makepyfile("import pytest\n@pytest.mark.gpu\ndef test_gpu(): pass")
    plugins = ("-p", "no:playwright", "-p", "no:dash", "-p", "tests.support.skips")
    return pytester.runpytest_inprocess(*plugins, *options).parseoutcomes()


@pytest.mark.parametrize(
    ("has_cuda", "interpret", "options", "outcome"),
    [
        (True, "0", (), "passed"),
        (True, "0", ("-m", "gpu"), "passed"),
        (True, "1", (), "skipped"),
        (True, "1", ("-m", "gpu"), "errors"),
        (False, "0", (), "skipped"),
        (False, "0", ("-m", "gpu"), "errors"),
        (True, "1", ("-m", "not gpu"), "deselected"),
    ],
)
def test_a_test_of_a_gpu_never_runs_in_the_interpreter(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    has_cuda: bool,
    interpret: str,
    options: tuple[str, ...],
    outcome: str,
) -> None:
    monkeypatch.setattr(skips, "_has_cuda", lambda: has_cuda)
    monkeypatch.setenv("TRITON_INTERPRET", interpret)
    assert run_gpu_test(pytester, *options) == {outcome: 1}


@pytest.mark.parametrize(
    ("sees_gpu", "options", "interpret"),
    [(False, (), "1"), (True, (), None), (False, ("-m", "gpu"), None)],
)
def test_kernels_are_interpreted_only_where_no_gpu_is_in_sight_or_asked_for(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    sees_gpu: bool,
    options: tuple[str, ...],
    interpret: str | None,
) -> None:
    monkeypatch.setattr(skips, "sees_gpu", lambda: sees_gpu)
    # Each run within this process would load torch again, at which it crashes.
    monkeypatch.setattr(skips, "_has_cuda", lambda: sees_gpu)
    monkeypatch.setenv("TRITON_INTERPRET", "")  # so that it is put back in the end
    monkeypatch.delenv("TRITON_INTERPRET")
    run_gpu_test(pytester, *options)
    assert os.environ.get("TRITON_INTERPRET") == interpret


def test_a_driver_is_seen_by_its_device_unless_cuda_is_told_to_see_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Under gVisor there is no /proc/driver/nvidia.
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(skips, "_DRIVER", (tmp_path / "version", tmp_path / "nvidiactl"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert skips.sees_gpu()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not skips.sees_gpu()


#: What a machine that only trains may lack.
LACKING = """
import sys
LACKING = {"sqlalchemy", "alembic", "psycopg", "optuna", "pydantic", "platformdirs", "filelock",
           "dash", "plotly", "flask", "typer", "rich", "jinja2", "tomlkit", "yaml", "ray",
           "torchvision", "pytest_timeout", "xdist", "pytest_playwright"}

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in LACKING:
            raise ModuleNotFoundError(f"No module named {name!r}")

sys.meta_path.insert(0, Finder())
import pytest
sys.exit(pytest.main(sys.argv[1:]))
"""


def test_the_tests_of_a_gpu_load_where_little_is_installed() -> None:
    (command,) = subprocess.check_output(
        ["make", "-n", "test-gpu"], cwd=ROOT, text=True, env=_plain_environment()
    ).splitlines()
    options = command.partition(" -m pytest ")[2].split()
    answer = subprocess.run(
        [sys.executable, "-c", LACKING, *options, "--collect-only", "-q"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=_plain_environment() | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    marked = [
        path.relative_to(ROOT / "tests")
        for path in (ROOT / "tests").rglob("test_*.py")
        if re.search(r"^@pytest\.mark\.gpu", path.read_text(), re.MULTILINE)
    ]
    assert len(marked) >= 4 and all(f"{path}::" in answer.stdout for path in marked)


def _plain_environment() -> dict[str, str]:
    """Without what an outer make or pytest says."""
    inner = ("MAKE", "MFLAGS", "PYTEST_", "TRITON_INTERPRET")
    return {name: value for name, value in os.environ.items() if not name.startswith(inner)}
