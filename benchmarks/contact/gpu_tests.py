"""Run the tests marked ``gpu`` with settings that work on a bare machine."""

import importlib.util
import re
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.contact import tools
from benchmarks.contact.options import stage_parser
from benchmarks.records import Record, Records

ROOT = Path(__file__).parents[2]

_MARKED = re.compile(r"^@pytest\.mark\.gpu$", re.MULTILINE)

#: The suite's own settings turn warnings of another torch into errors, and need plugins.
_OPTIONS = ("-c", str(ROOT / "tests/gpu.ini"), "-q", "-p", "no:cacheprovider")


def main() -> None:
    options = stage_parser(__doc__).parse_args()
    records = Records(options.json)
    if importlib.util.find_spec("pytest") is None:
        records.add("missing", tool="pytest")
        return
    files = files_with_gpu_tests()[-1 if options.smoke else 0 :]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        # Tests that are selected by file fail without a GPU instead of being skipped.
        marked = [] if options.smoke else ["-m", "gpu"]
        command = [sys.executable, "-m", "pytest", *_OPTIONS, *marked]
        command += [f"--junit-xml={report}", *files]
        tools.run(
            command, limit=150, environment={} if options.smoke else {"TRITON_INTERPRET": "0"}
        )
        if report.exists():
            records.add("tests", files=len(files), **counts(report))
        else:
            records.add("missing", tool="tests: pytest did not finish")


def files_with_gpu_tests() -> list[str]:
    """Return the paths of the test files that have a test with the mark."""
    found = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path) for path in found if _MARKED.search(path.read_text())]


def counts(report: Path) -> Record:
    """Return how many tests passed, failed and were skipped, from pytest's report."""
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314  pytest wrote it
    failed = [
        case for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    n_skipped = sum(case.find("skipped") is not None for case in cases)
    return {
        "passed": len(cases) - len(failed) - n_skipped,
        "failed": len(failed),
        "skipped": n_skipped,
        "first_failure": failed[0].get("name") if failed else None,
        "failures": [case.get("name") for case in failed],
    }


if __name__ == "__main__":
    main()
