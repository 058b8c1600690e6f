"""Join or start the Ray cluster that a study trains on, and read its resources."""

import os
import socket
from typing import Any

import ray

from sweep.errors import DeviceError, UsageError
from sweep.launch.devices import ClusterResources

CONNECT_SECONDS = 5.0
CORES_PER_CPU_WORKER = 2
#: Object store of a cluster that we start: room for one copy of the data set.
OBJECT_STORE_BYTES = 256 << 20


def connect(address: str | None) -> None:
    """Join a Ray cluster, or start one.

    The cluster is the one at ``address`` (``host:port`` or ``auto``), else the one that RAY_ADDRESS
    names, else a cluster of this machine only that lives as long as this process and, Ray's
    default, asks for a token.

    Raises DeviceError if no cluster answers, UsageError for an invalid address.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES}
    else:
        _check(address)
    try:
        ray.init(address=address, **options)
    except (Exception, SystemExit) as error:  # Ray exits the process instead of raising
        said = str(error).strip().splitlines()[:1] if isinstance(error, Exception) else []
        raise DeviceError(
            f"--ray-address {address}: cannot join a Ray cluster there{': ' if said else ''}"
            f"{''.join(said)}. `ray status` on that host shows one; all hosts need the same token."
        ) from error


def _check(address: str) -> None:
    """Try to connect: Ray itself tries for more than a minute before it gives up."""
    if address == "auto":
        return
    host, colon, port = address.rpartition(":")
    if not (host and colon and port.isascii() and port.isdigit()) or "/" in address:
        raise UsageError(
            f"--ray-address {address}: give host:port of the cluster's head, such as "
            "10.0.0.1:6379, or auto for the cluster that this host is part of."
        )
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise DeviceError(
            f"--ray-address {address}: nothing answers there ({error}). "
            "`ray start --head --port=6379` starts a cluster."
        ) from error


def cores_per_cpu_worker() -> int:
    """Return the cores per CPU worker: at most those of the largest host."""
    hosts = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return max(1, min(CORES_PER_CPU_WORKER, int(max(hosts, default=0))))


def cluster_resources() -> ClusterResources:
    """Return the present resources of the cluster."""
    total = ray.cluster_resources()
    return ClusterResources(
        n_gpus=int(total.get("GPU", 0)),
        n_cpus=int(total.get("CPU", 0)),
        cores_per_cpu_worker=cores_per_cpu_worker(),
    )
