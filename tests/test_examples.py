"""docs/examples: what SLURM and Kubernetes are given.

There is no cluster here: programs that only write down how they were called stand in for SLURM's,
and the files for KubeRay are looked at.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
SLURM = EXAMPLES / "slurm.sh"
RAYJOB, CLAIM = yaml.safe_load_all((EXAMPLES / "rayjob.yaml").read_text())
CLUSTER: dict[str, Any] = RAYJOB["spec"]["rayClusterSpec"]
HEAD = CLUSTER["headGroupSpec"]["template"]["spec"]
(GROUP,) = CLUSTER["workerGroupSpecs"]
WORKER = GROUP["template"]["spec"]

#: Each notes its arguments; srun drops its own options and becomes the rest.
PROGRAMS = {
    "scontrol": 'for i in 1 2 3; do echo "node$i"; done',
    "srun": """
        while [[ $1 == --* ]]; do shift; done
        exec "$@"
    """,
    "hostname": "echo 127.0.0.1 10.1.2.3",
    "ray": r"""
        [[ $* =~ --head.*--port=([0-9]+) ]] || exec sleep 60
        exec python3 -c '
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    server.accept()[0].close()
' "${BASH_REMATCH[1]}"
    """,
    "sweep": """
        echo "token of $(echo -n "$RAY_AUTH_TOKEN" | wc -c)" >> "$CALLS"
        [[ $2 == long.toml ]] || exit 3
        trap 'echo "told to end" >> "$CALLS"; exit 130' TERM
        while true; do sleep 0.1; done
    """,
}


class Slurm:
    """A batch job of three nodes with two GPUs each."""

    def __init__(self, folder: Path) -> None:
        self._calls = folder / "calls"
        self._calls.touch()
        for name, body in PROGRAMS.items():
            program = folder / name
            program.write_text(f'#!/bin/bash\necho {name} "$@" >> "$CALLS"\n{body}\n')
            program.chmod(0o755)
        self.environment = {
            "PATH": f"{folder}:{os.environ['PATH']}",
            "CALLS": str(self._calls),
            "SWEEP_STORAGE": "postgresql://me@dbhost/sweep",
            "SLURM_JOB_NODELIST": "node[1-3]",
            "SLURM_JOB_ID": str(os.getpid()),
            "SLURM_CPUS_PER_TASK": "16",
            "SLURM_GPUS_PER_NODE": "a100:2",
        }

    def submit(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", SLURM, *arguments],
            env=self.environment,
            stderr=subprocess.PIPE,
            text=True,
        )

    def calls(self, program: str) -> list[str]:
        lines = self._calls.read_text().splitlines()
        return [line for line in lines if line.startswith(f"{program} ")]


@pytest.fixture
def slurm(tmp_path: Path) -> Slurm:
    return Slurm(tmp_path)


def test_a_job_starts_ray_on_every_node_and_the_study_on_the_first(slurm: Slurm) -> None:
    job = slurm.submit("studies/search.toml")
    job.communicate(timeout=60)
    assert job.returncode == 3, "the study's own"
    (head, others) = slurm.calls("ray")
    port = re.search(r"--port=(\d+)", head)
    assert port and "--head --node-ip-address=127.0.0.1" in head
    assert f"--address=127.0.0.1:{port[1]} " in others and "--head" not in others
    (started,) = [call for call in slurm.calls("srun") if " sweep start " in call]
    assert "--nodelist=node1" in started
    assert started.endswith(f"--resume --launcher ray --ray-address 127.0.0.1:{port[1]} --gpus 6")
    (joined,) = [call for call in slurm.calls("srun") if call.endswith(others)]
    assert "--nodes=2 --ntasks=2 --exclude=node1" in joined
    assert slurm.calls("token") == ["token of 64"]


def test_a_job_whose_time_is_up_lets_the_study_end(slurm: Slurm) -> None:
    job = slurm.submit("long.toml")
    deadline = time.monotonic() + 60
    while not slurm.calls("token"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=60)
    assert job.returncode == 130
    assert slurm.calls("told")


@pytest.mark.parametrize(
    ("arguments", "missing", "said"),
    [
        ((), "", "which study?"),
        (("x.toml",), "SWEEP_STORAGE", "no database"),
    ],
)
def test_a_job_without_a_study_or_a_database_says_so(
    slurm: Slurm, arguments: tuple[str, ...], missing: str, said: str
) -> None:
    slurm.environment.pop(missing, None)
    job = slurm.submit(*arguments)
    assert said in job.communicate(timeout=60)[1]
    assert job.returncode != 0 and not slurm.calls("ray")


def test_shell_scripts_are_sound() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("needs shellcheck: apt-get install shellcheck")
    scripts = [*EXAMPLES.glob("*.sh"), ROOT / ".ci" / "run"]
    answer = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, timeout=60)
    assert answer.stdout == ""


def test_the_kubernetes_job_runs_the_study_in_its_own_cluster_and_goes_on_after_a_fault() -> None:
    assert (RAYJOB["apiVersion"], RAYJOB["kind"]) == ("ray.io/v1", "RayJob")
    entrypoint = shlex.split(RAYJOB["spec"]["entrypoint"])
    assert entrypoint[:2] == ["sweep", "start"]
    assert {"--resume", "ray", "auto"} <= set(entrypoint)
    assert RAYJOB["spec"]["backoffLimit"] > 0
    assert RAYJOB["spec"]["shutdownAfterJobFinishes"] is True
    n_gpus = int(entrypoint[entrypoint.index("--gpus") + 1])
    assert n_gpus == GROUP["maxReplicas"], "a GPU a pod, which the autoscaler brings up"


def test_kubernetes_pods_share_an_image_and_only_workers_have_gpus() -> None:
    (head,), (worker,) = HEAD["containers"], WORKER["containers"]
    assert head["image"] == worker["image"]
    assert worker["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in head["resources"]["limits"]
    assert CLUSTER["headGroupSpec"]["rayStartParams"] == {"num-cpus": "0", "num-gpus": "0"}


def test_in_kubernetes_ray_wants_a_token_and_the_password_is_a_secret() -> None:
    assert CLUSTER["authOptions"] == {"mode": "token"}
    environment = {entry["name"]: entry["value"] for entry in HEAD["containers"][0]["env"]}
    folder = Path(environment["SWEEP_STORAGE_PASSWORD_FILE"]).parent
    mounts = {m["mountPath"]: m["name"] for m in HEAD["containers"][0]["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in HEAD["volumes"]}
    assert volumes[mounts[str(folder)]]["secret"] == {"secretName": "sweep-database"}
    assert ":" not in environment["SWEEP_STORAGE"].partition("//")[2]
    assert "SWEEP_STORAGE" not in str(WORKER), "workers need no database"


def test_kubernetes_pods_run_as_an_ordinary_user_and_every_volume_is_there() -> None:
    for pod in (HEAD, WORKER):
        assert pod["securityContext"]["runAsNonRoot"] is True
    mounted = {mount["name"] for mount in HEAD["containers"][0]["volumeMounts"]}
    assert mounted == {volume["name"] for volume in HEAD["volumes"]}
    claim = HEAD["volumes"][-1]["persistentVolumeClaim"]["claimName"]
    assert (CLAIM["kind"], CLAIM["metadata"]["name"]) == ("PersistentVolumeClaim", claim)


def test_the_examples_have_the_ray_that_is_tested() -> None:
    pins = map(Requirement, (ROOT / "constraints.txt").read_text().splitlines())
    (ray,) = [str(pin.specifier).removeprefix("==") for pin in pins if pin.name == "ray"]
    assert CLUSTER["rayVersion"] == ray
    assert f"'ray[default]=={ray}'" in (EXAMPLES / "Dockerfile.ray").read_text()
