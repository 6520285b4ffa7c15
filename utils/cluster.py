"""Which workers there are, told by the environment: TF_CONFIG, or SLURM. Nothing here imports TensorFlow.

`TF_CONFIG` is what TensorFlow's own tools take and what Kubernetes' training operator (TFJob) sets:

    {"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}

A job of SLURM (`srun --ntasks 2 ./dcgan train --strategy workers …`) tells the same in variables of its own.
"""

import contextlib
import json
import os
import re
import socket
from dataclasses import dataclass

from utils.errors import InputError

SLURM_PORTS = range(10_000, 30_000)
"""Workers of a SLURM step listen at one of these ports, which its numbers decide, those that share a machine at the
ones after it: steps that share a machine must not meet, and the system hands out none of these by itself."""


LAUNCHED = "DCGAN_LAUNCHED"
"""How many workers `./dcgan launch` has started, of which this process is one; not set elsewhere."""


def launched() -> list[str]:
    """Words that come before a command's own, where `./dcgan launch` has started it; [] elsewhere."""
    return ["launch", "--workers", os.environ[LAUNCHED]] if LAUNCHED in os.environ else []


@dataclass(frozen=True)
class Cluster:
    """All workers of a training, and which of them this process is.

    Attributes:
        workers: where each listens, "host:port"; the first is the chief, who alone writes to the run folder.
        index: of this process.
    """

    workers: tuple[str, ...]
    index: int

    def tf_config(self) -> str:
        """The same for TensorFlow."""
        return json.dumps({"cluster": {"worker": self.workers}, "task": {"type": "worker", "index": self.index}})


def find_cluster(environment: dict[str, str] | None = None) -> Cluster | None:
    """The cluster that the environment tells of; None if it tells of none.

    Args:
        environment: variables by name; those of this process by default.

    Raises:
        InputError: it tells nonsense.
    """
    environment = dict(os.environ) if environment is None else environment
    if environment.get("TF_CONFIG"):
        return _of_tf_config(environment["TF_CONFIG"])
    if int(_number(environment, "SLURM_STEP_NUM_TASKS", 1)) > 1:
        return _of_slurm(environment)
    return None


def cluster_for(strategy: str) -> Cluster | None:
    """The cluster that is to train by a strategy; None where this machine is to train alone.

    Args:
        strategy: "one", "mirrored", "workers" or "auto", as `training.team.team_for` takes it.

    Raises:
        InputError: workers are asked for, and the environment tells of none.
    """
    cluster = find_cluster() if strategy in ("auto", "workers") else None
    if strategy == "workers" and cluster is None:
        raise InputError(
            "--strategy workers needs to be told of the workers, by TF_CONFIG or by SLURM; to try it on this machine: "
            "./dcgan launch --workers 2 train …"
        )
    return cluster if cluster and len(cluster.workers) > 1 else None


def free_ports(count: int) -> list[int]:
    """Ports of this machine at which nobody listens now.

    Raises:
        OSError: the system does not open so many at a time.
    """
    with contextlib.ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _of_tf_config(text: str) -> Cluster | None:
    def expect(holds: bool, what: str) -> None:
        if not holds:
            shown = text if len(text) <= 200 else f"{text[:200]}…"
            raise InputError(f"TF_CONFIG {what}. Received: {shown!r}.")

    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    expect(isinstance(told, dict), "should be a JSON object with cluster and task")
    cluster, task = told.get("cluster", {}), told.get("task", {})
    expect(isinstance(cluster, dict) and isinstance(task, dict), "should have cluster and task as JSON objects")
    if not cluster:
        return None
    odd = sorted(map(str, cluster.keys() - {"chief", "worker"}))
    expect(not odd, f"has tasks that take no part here ({', '.join(odd)}): only chief and worker do")
    chiefs, workers = cluster.get("chief", []), cluster.get("worker", [])
    expect(isinstance(chiefs, list) and isinstance(workers, list), "should list the addresses of chief and worker")
    addresses = [*chiefs, *workers]
    known = all(isinstance(each, str) and re.fullmatch(r"[\w.:\[\]-]+:\d{1,5}", each) for each in addresses)
    expect(known and addresses != [], 'should list addresses such as "host1:2222"')
    ports = [int(each.rpartition(":")[2]) for each in addresses]
    expect(all(0 < port < 65536 for port in ports), "should list ports from 1 to 65535")
    expect(len(set(addresses)) == len(addresses), "names an address twice")
    kind, index = task.get("type"), task.get("index")
    expect(kind in ("chief", "worker") and type(index) is int, "should say which task this is, by type and index")
    expect(0 <= index < len(chiefs if kind == "chief" else workers), f"has no {kind} {index}")
    return Cluster(tuple(addresses), index if kind == "chief" else len(chiefs) + index)


def _of_slurm(environment: dict[str, str]) -> Cluster:
    for name in ("SLURM_STEP_NODELIST", "SLURM_STEP_TASKS_PER_NODE", "SLURM_PROCID"):
        if name not in environment:
            raise InputError(f"A step of SLURM with several tasks should set {name}: start it with srun.")
    tasks = []
    for part in environment["SLURM_STEP_TASKS_PER_NODE"].split(","):
        if not (found := re.fullmatch(r"(\d{1,4})(?:\(x(\d{1,4})\))?", part)):
            raise InputError(f"SLURM_STEP_TASKS_PER_NODE should be like 2(x3),1. Received: {part!r}.")
        tasks += [int(found[1])] * int(found[2] or 1)
    hosts = _hosts(environment["SLURM_STEP_NODELIST"])
    step = [int(_number(environment, name, 0)) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID")]
    first = SLURM_PORTS[(1009 * step[0] + 31 * step[1]) % (len(SLURM_PORTS) - 1000)]
    workers = [f"{host}:{first + i}" for host, count in zip(hosts, tasks) for i in range(count)]
    index = int(_number(environment, "SLURM_PROCID", 0))
    if len(hosts) != len(tasks) or index >= len(workers):
        raise InputError(
            f"SLURM tells of {len(hosts)} hosts, of tasks on {len(tasks)}, and of task {index}: they do not fit."
        )
    places = [number for number, count in enumerate(tasks) for _ in range(count)]
    if int(_number(environment, "SLURM_NODEID", places[index])) != places[index]:
        raise InputError(
            f"SLURM should give its tasks to the hosts block by block: start it with srun --distribution=block. "
            f"Received: task {index} on host {environment['SLURM_NODEID']} of {', '.join(hosts)[:200]}."
        )
    return Cluster(tuple(workers), index)


def _hosts(names: str) -> list[str]:
    """Hosts of a list as SLURM writes it: "a[1-2,07],b" are a1, a2, a07, b."""
    hosts = []
    for part in re.findall(r"[^,\[]+(?:\[[^\]]*\])?", names):
        found = re.fullmatch(r"([\w.-]+)(?:\[([\d,-]+)\])?", part)
        if not found:
            raise InputError(f"SLURM_STEP_NODELIST should be like node[1-2,07],other. Received: {names[:200]!r}.")
        for piece in (found[2] or "").split(","):
            first, _, last = piece.partition("-")
            whole = re.fullmatch(r"(\d{1,9}(-\d{1,9})?)?", piece)
            if not whole or (last and not 0 <= int(last) - int(first) < 10_000):
                raise InputError(f"SLURM_STEP_NODELIST has a range that is none: {piece[:50]!r}.")
            numbers = range(int(first), int(last) + 1) if last else [first]
            hosts += [f"{found[1]}{number:0{len(first)}d}" if last else f"{found[1]}{number}" for number in numbers]
    return hosts


def _number(environment: dict[str, str], name: str, default: int) -> str:
    value = environment.get(name, str(default))
    if not re.fullmatch(r"\d{1,10}", value):
        raise InputError(f"{name} should be a number. Received: {value[:50]!r}.")
    return value
