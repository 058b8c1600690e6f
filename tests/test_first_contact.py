"""The first contact with a GPU, tiny, where nothing optional is installed; and its verdicts."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import first_contact
from benchmarks.contact import counters, gpu_tests, race, running
from benchmarks.contact.findings import FINDINGS, Finding, Sighting
from benchmarks.contact.machine import OPTIONAL
from benchmarks.contact.report import read_folders, write_report
from benchmarks.contact.running import Outcome
from benchmarks.contact.stages import BY_NAME, CALL_SECONDS, CALLS, STAGES, stages_of
from benchmarks.fields import SMOKE
from benchmarks.records import Record, read_records
from tests.support.imports import MISSING_WHERE_ONLY_TRAINED, without_modules

#: pytest is left out as well, since this is its process already.
MISSING = (*MISSING_WHERE_ONLY_TRAINED, "pytest", "hypothesis")


@pytest.fixture(autouse=True)
def _interpreter_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """``main`` says in the environment whether kernels are interpreted."""
    monkeypatch.setenv("TRITON_INTERPRET", os.environ.get("TRITON_INTERPRET", ""))


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("first-contact")


#: Loading torch for each of ten stages takes longest, so all but the first one fork a process that
#: has loaded it; so do the workers of two stages.
IN_FORKS = """
import os
import sweep.worker.fused, sweep.worker.work
from benchmarks import contestants, first_contact
from benchmarks.contact import running
from benchmarks.contact.running import Outcome
from tests.support.forked_modules import fork_modules, run_module_forked

start = running._run
def run(command, output, limit):
    if "benchmarks.contact.machine" in command:
        return start(command, output, limit)
    status = run_module_forked(command, os.environ, stdout=output, stderr=output, timeout=limit)
    return (Outcome.DONE if status == 0 else Outcome.FAILED), status

running._run = run
fork_modules()
first_contact.main()
"""


@pytest.fixture(scope="module")
def printed(output: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What all stages print, in processes that find none of the optional packages."""
    bare = tmp_path_factory.mktemp("bare")
    (bare / "sitecustomize.py").write_text(without_modules(MISSING))
    path = os.pathsep.join([str(bare), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    done = subprocess.run(
        [sys.executable, "-c", IN_FORKS, "--smoke", "--output", output, "--stages", *BY_NAME],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        timeout=290,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def records(printed: str, output: Path) -> list[Record]:
    return read_folders([output])


def kinds(records: Sequence[Record], stage: str) -> set[str]:
    return {record["what"] for record in records if record["stage"] == stage}


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        ("machine", {"packages", "tools", "machine"}),
        ("check", {"difference", "checked"}),
        ("kernels", {"copy", "compared", "kernel", "step"}),
        ("stress", {"repeated", "encoded"}),
        ("fused", {"about", "contestant"}),
        ("variants", {"variant"}),
        ("study", {"worker", "study"}),
        ("counters", {"missing"}),
        ("race", {"missing"}),
        ("ptxas", {"other_copy", "other_compared", "other_kernel", "other_step"}),
        ("peers", {"about", "contestant"}),
        ("first-epoch", {"first_epoch"}),
        ("tests", {"missing"}),
    ],
)
def test_every_stage_runs_to_its_end_with_what_a_gpu_machine_has(
    records: list[Record], stage: str, expected: set[str]
) -> None:
    assert kinds(records, stage) == expected | {"ended"}
    (ended,) = [r for r in records if (r["what"], r["stage"]) == ("ended", stage)]
    assert ended["outcome"] == Outcome.DONE, ended["output"]


def test_what_is_missing_is_said(printed: str) -> None:
    (said,) = [line for line in printed.splitlines() if line.startswith("missing packages")]
    for name in set(MISSING) & OPTIONAL.keys():
        assert f"{name} (for {OPTIONAL[name]})" in said
    assert "jax is not installed" in printed
    assert "study: reason not installed: alembic, optuna, platformdirs" in printed
    assert "missing: ncu" in printed


def test_the_report_ends_with_kernels_findings_and_the_next_command(printed: str) -> None:
    titles = [line for line in printed.splitlines() if line.startswith("== ")]
    assert [title.split()[1].rstrip(",") for title in titles] == [
        *("Stages", "Machine", "Kernels", "Populations", "Variants", "Findings", "Next")
    ]
    for kernel in ("update_decoder", "update_encoder", "a step in a graph", "lower bound"):
        assert f"\n{kernel}" in printed
    for finding in FINDINGS:
        assert finding.what in printed and finding.then in printed


def test_the_figures_of_the_smoke_run_show_no_fault(records: list[Record]) -> None:
    for finding in FINDINGS:
        if finding.stops:
            assert finding.rule(records).sighting is not Sighting.SEEN, finding.what


def test_a_worker_trains_all_of_its_trials(records: list[Record]) -> None:
    (worker,) = [record for record in records if record["what"] == "worker"]
    assert (worker["done"], worker["diverged"], worker["failed"]) == (SMOKE.n_study, 0, 0)


def test_a_workers_first_epoch_is_timed_with_caches_empty_and_full(records: list[Record]) -> None:
    (found,) = [record for record in records if record["what"] == "first_epoch"]
    assert found["cold_seconds"] > 0 and found["warm_seconds"] > 0


# Stages


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages that do something else: the first one hangs, with a child; the second one fails."""
    code = {
        "machine": "import subprocess, sys, time; print('began', flush=True);"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)",
        "check": "import sys; print('no kernel image'); sys.exit(3)",
    }

    def command(stage: first_contact.Stage, results: Path, _: bool) -> list[str]:
        write = f"open({str(results)!r}, 'a').write('{{\"what\": \"first\"}}\\n')"
        return [sys.executable, "-c", f"{write}; {code.get(stage.name, '')}"]

    monkeypatch.setattr(running, "_command", command)
    monkeypatch.setattr(running, "_LEAST_SECONDS", 0.5)


@pytest.mark.usefixtures("pretended")
def test_a_stage_that_hangs_or_fails_leaves_the_others(tmp_path: Path) -> None:
    names = ("machine", "check", "kernels")
    stages = [BY_NAME[name] for name in names]
    hanging = first_contact.Stage(**vars(stages[0]) | {"seconds": 1.0})
    outcomes = first_contact.run_stages([hanging, *stages[1:]], tmp_path, 60, smoke=False)
    assert outcomes == [Outcome.TIMED_OUT, Outcome.FAILED, Outcome.DONE]
    found = {name: list(read_records(tmp_path / f"{name}.jsonl")) for name in names}
    assert all(records[0] == {"what": "first"} for records in found.values())
    assert found["machine"][-1]["output"] == "began\n"
    assert (found["check"][-1]["exit_status"], found["check"][-1]["output"]) == (
        3,
        "no kernel image\n",
    )


@pytest.mark.usefixtures("pretended")
def test_stages_for_which_no_time_is_left_are_not_started(tmp_path: Path) -> None:
    stages = [BY_NAME["machine"], BY_NAME["kernels"]]
    outcomes = first_contact.run_stages(stages, tmp_path, 1.0, smoke=True)
    assert outcomes == [Outcome.TIMED_OUT, Outcome.NOT_STARTED]
    report = "\n".join(write_report(read_folders([tmp_path])))
    assert "--stages machine kernels" in report.partition("== Next")[2]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_fits_into_ten_minutes(call: int) -> None:
    assert sum(stage.seconds for stage in stages_of(call)) <= CALL_SECONDS < 600


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(sys, "argv", ["first_contact"])
    with pytest.raises(SystemExit, match=r"torch finds no GPU\. --smoke"):
        first_contact.main()


def test_folders_of_several_calls_are_reported_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, stages in (("one", stages_of(1)), ("two", stages_of(2))):
        (tmp_path / name).mkdir()
        for stage in stages:
            line = '{"what": "ended", "stage": "%s", "outcome": "done", "seconds": 1.0}\n'
            (tmp_path / name / f"{stage.name}.jsonl").write_text(line % stage.name)
    folders = [str(tmp_path / name) for name in ("one", "two")]
    monkeypatch.setattr(sys, "argv", ["first_contact", "--read", *folders])
    with pytest.raises(SystemExit) as ended:
        first_contact.main()
    assert not ended.value.code
    assert "benchmarks.first_contact --call 3" in capsys.readouterr().out


# Verdicts


def finding(start: str) -> Finding:
    (found,) = [one for one in FINDINGS if one.what.startswith(start)]
    return found


CHECKED = {"what": "checked", "precision": "tf32", "largest_share": 0.3, "n_too_large": 0}
KERNEL = {"what": "kernel", "field": "784", "kernel": "update_encoder"}
COMPARED = {
    "what": "compared",
    "precision": "tf32",
    "kernel": "encode",
    "array": "z",
    "allowed": 1e-3,
}
DECODE = KERNEL | {"kernel": "decode"}
VARIANT = {"what": "variant", "variant": "cheap loss", "field": "32"}
COUNTERS = {"what": "counters", "kernel": "decode"}
TIMED = {"what": "contestant", "field": "32", "device_seconds": 1.0}


@pytest.mark.parametrize(
    ("start", "seen", "not_seen"),
    [
        ("the self-check", CHECKED | {"n_too_large": 2}, CHECKED),
        (
            "a kernel alone",
            COMPARED | {"difference": float("nan")},
            COMPARED | {"difference": 1e-4},
        ),
        (
            "the same trials",
            {"what": "repeated", "of": "training", "n": 3, "different": 1},
            {"what": "repeated", "of": "training", "n": 3, "different": 0},
        ),
        (
            "Z is off",
            {"what": "encoded", "hidden_width": 9, "relative": float("nan")},
            {"what": "encoded", "hidden_width": 9, "relative": 1e-6},
        ),
        (
            "the race checker",
            {"what": "race", "tool": "racecheck", "hazards": 1},
            {"what": "race", "tool": "racecheck", "hazards": 0},
        ),
        ("tests that", {"what": "tests", "failed": 1}, {"what": "tests", "failed": 0}),
        (
            "branches or graph variants",
            {"what": "variant", "variant": "2 branches", "field": "32", "same": False},
            {"what": "variant", "variant": "2 branches", "field": "32", "same": True},
        ),
        ("a variant of", VARIANT | {"over_default": 0.96}, VARIANT | {"over_default": 0.98}),
        ("an update stays", KERNEL | {"share_of_copy": 0.69}, KERNEL | {"share_of_copy": 0.7}),
        (
            "warps wait most for main",
            COUNTERS | {"top_stall": "long_scoreboard"},
            COUNTERS | {"top_stall": "barrier"},
        ),
        (
            "warps wait most for barriers",
            COUNTERS | {"top_stall": "short_scoreboard"},
            COUNTERS | {"top_stall": "wait"},
        ),
        ("shared memory", COUNTERS | {"shared_percent": 71}, COUNTERS | {"shared_percent": 70}),
        ("instructions", COUNTERS | {"issue_percent": 61}, COUNTERS | {"issue_percent": 60}),
        ("decode takes", DECODE | {"share_of_bound": 0.49}, DECODE | {"share_of_bound": 0.5}),
        (
            "a step in a graph",
            {"what": "step", "field": "32", "graph_over_kernels": 1.06},
            {"what": "step", "field": "32", "graph_over_kernels": 1.05},
        ),
        ("an epoch's wall", TIMED | {"seconds": 1.11}, TIMED | {"seconds": 1.09}),
        ("the device trains", {"what": "worker", "busy": 0.79}, {"what": "worker", "busy": 0.8}),
    ],
)
def test_a_finding_is_seen_by_its_figures(start: str, seen: Record, not_seen: Record) -> None:
    rule = finding(start).rule
    assert rule([seen]).sighting is Sighting.SEEN
    assert rule([not_seen]).sighting is Sighting.NOT_SEEN
    assert rule([]).sighting is Sighting.NOT_MEASURED


def test_every_finding_has_figures_that_show_it() -> None:
    marks = test_a_finding_is_seen_by_its_figures.pytestmark  # type: ignore[attr-defined]
    starts = [start for start, *_ in marks[0].args[1]]
    assert len({finding(start).what for start in starts}) == len(FINDINGS)


def test_after_wrong_numbers_nothing_else_is_recommended() -> None:
    report = "\n".join(write_report([CHECKED | {"n_too_large": 1, "stage": "check"}]))
    assert "Numbers are wrong" in report and "--call" not in report


# What tools print

NCU = """==PROF== Connected to process 12
{"what": "copy", "tb_s": 3.0}
==PROF== Profiling "decode": 0%....50%....100% - 9 passes
"ID","Kernel Name","gpu__time_duration.sum","lts__throughput.avg.pct_of_peak_sustained_elapsed",\
"smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio",\
"smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio",\
"smsp__average_warps_issue_stalled_selected_per_issue_active.ratio"
"","","ns","%","inst","inst","inst"
"0","decode","1,132.50","61.5","1.5","2.25","9.0"
"""


def test_counters_are_read_from_ncus_table() -> None:
    (record,) = counters.parse(NCU)
    assert record["kernel"] == "decode"
    assert record["us"] == pytest.approx(1.1325)
    assert (record["l2_percent"], record["dram_percent"]) == (61.5, None)
    assert record["top_stall"] == "long_scoreboard"


def test_hazards_are_read_from_racechecks_summary() -> None:
    said = "========= RACECHECK SUMMARY: 2 hazards displayed (1 error, 1 warning)"
    assert race.count_hazards(said) == 2
    assert race.count_hazards("========= COMPUTE-SANITIZER") is None


def test_tests_are_counted_from_pytests_report(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite><testcase name="a"/><testcase name="b"><failure/></testcase>'
        '<testcase name="c"><skipped/></testcase></testsuite></testsuites>'
    )
    counted = gpu_tests.counts(report)
    assert (counted["passed"], counted["failed"], counted["skipped"]) == (1, 1, 1)
    assert counted["first_failure"] == "b"


def test_files_with_gpu_tests_are_found() -> None:
    names = {Path(path).name for path in gpu_tests.files_with_gpu_tests()}
    assert {"test_fused_population.py", "test_fused_selfcheck.py", "test_stats_of_gpus.py"} <= names
    assert all(stage.command for stage in STAGES)


@pytest.mark.parametrize("tool", ["ncu", "compute-sanitizer"])
def test_a_tool_runs_over_the_benchmark(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = NCU if tool == "ncu" else "========= RACECHECK SUMMARY: 0 hazards displayed"
    (tmp_path / "said").write_text(printed)
    script = tmp_path / tool
    script.write_text(f"#!/bin/sh\ncat {tmp_path}/said\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    module = counters if tool == "ncu" else race
    monkeypatch.setattr(sys, "argv", ["stage", "--json", str(tmp_path / "results")])
    module.main()
    (record,) = read_records(tmp_path / "results")
    assert record["what"] == ("counters" if tool == "ncu" else "race")
