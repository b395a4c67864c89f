"""Jobs of several processes, started as a user starts them, and killed as a machine dies."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from tests.conftest import ROOT, cli_environment

SAMPLE = ("sample", "--classes", "0-3", "--batch", "4", "--shard-size", "8", "--per-class", "120", "--quiet")
SAMPLES, SHARDS = 480, 60
# Without the second, what torchrun starts again cannot find each other.
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
STARTED: list[subprocess.Popen[str]] = []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start(
    *words: object, launcher: tuple[object, ...] = (), env: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """Start ``python LAUNCHER -m bdgan_cli WORDS``; output of all processes comes together."""
    command = [sys.executable, *map(str, launcher), "-m", "bdgan_cli", *map(str, words)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=cli_environment({**ENVIRONMENT, **(env or {})}), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    STARTED.append(process)
    return process


def torchrun(*options: object) -> tuple[object, ...]:
    return "-m", "torch.distributed.run", "--monitor-interval", "0.1", *options


def several(processes: int, *options: object) -> tuple[object, ...]:
    """Launch on one machine."""
    return torchrun("--standalone", "--nproc-per-node", processes, *options)


def agent(port: int, *options: object, nodes: str = "2") -> tuple[object, ...]:
    """Launch one of several machines, each an agent with one process."""
    return torchrun(
        "--nnodes", nodes, "--nproc-per-node", 1, "--rdzv-backend", "c10d", "--rdzv-id", "job",
        "--rdzv-endpoint", f"127.0.0.1:{port}", "--local-addr", "127.0.0.1", *options,
    )  # fmt: skip


def in_folder(workspace: Path) -> tuple[object, ...]:
    return "--workspace", workspace


def finish(process: subprocess.Popen[str], seconds: float = 240) -> tuple[int, str]:
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        kill_machine(process)
        raise AssertionError(f"hung for {seconds} s") from None
    return process.returncode, output


def end_all() -> None:
    """Kill what a failed test left running."""
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            kill_machine(process)


def wait_for(what: Callable[[], object], process: subprocess.Popen[str], seconds: float = 120) -> None:
    """Wait until something is so, and the process still runs."""
    until = time.monotonic() + seconds
    while not what():
        assert process.poll() is None, f"ended before: {process.communicate()[0]}"
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.01)


def descendants(pid: int) -> list[int]:
    """Name the processes below one, by the system's table."""
    found = [int(child) for child in _children(pid)]
    return [below for child in found for below in (child, *descendants(child))]


def _children(pid: int) -> Iterator[str]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            yield from task.read_text().split()
        except OSError:
            continue


def worker(agent_pid: int, rank: int) -> int:
    """Return the process of a rank below an agent, or 0."""
    for pid in descendants(agent_pid):
        try:
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f"RANK={rank}".encode() in variables:
            return pid
    return 0


def parts(folder: Path) -> int:
    return len(list((folder / "index").glob("c*.parquet")))


def kill_machine(process: subprocess.Popen[str]) -> None:
    """Kill an agent and all below it at once, as a power cut does."""
    for pid in [process.pid, *descendants(process.pid)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.communicate()


def digests(folder: Path) -> dict[str, str]:
    """Return the hash of every file of a dataset; a lock or a temporary file is one too many."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
