"""``bdgan sample`` by several processes and machines: one dataset, whoever dies on the way."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.progress import Silent
from tests.distribution.jobs import (
    SAMPLE,
    SAMPLES,
    SHARDS,
    agent,
    digests,
    finish,
    free_port,
    in_folder,
    is_listening,
    kill_machine,
    parts,
    several,
    start,
    wait_for,
    worker,
)
from tests.helpers import save_random_head

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc").is_dir(), reason="reads Linux's process table")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The files of a run of one process."""
    workspace = tmp_path_factory.mktemp("whole")
    save_random_head(workspace)
    code, output = finish(start(*SAMPLE, *in_folder(workspace)))
    assert code == 0, output
    return digests(workspace / "datasets" / "tiny-biggan-sim")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the dataset will be, in a workspace with the same head."""
    save_random_head(tmp_path)
    return tmp_path / "datasets" / "tiny-biggan-sim"


def check(folder: Path, whole: dict[str, str]) -> None:
    """Nothing is missing, double, different or left over."""
    assert digests(folder) == whole
    keys = open_dataset(folder).keys()
    assert len(keys) == len(set(keys)) == SAMPLES
    assert verify_dataset(folder, Silent()) == []


def test_three_processes_write_what_one_does(folder: Path, whole: dict[str, str], tmp_path: Path) -> None:
    code, output = finish(start(*SAMPLE, *in_folder(tmp_path), launcher=several(3)))
    assert code == 0, output
    check(folder, whole)


def test_two_machines_write_what_one_does(folder: Path, whole: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    both = [start(*SAMPLE, *in_folder(tmp_path), launcher=agent(port)) for _ in range(2)]
    for machine in both:
        code, output = finish(machine)
        assert code == 0, output
    check(folder, whole)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_is_started_again(rank: int, folder: Path, whole: dict[str, str], tmp_path: Path) -> None:
    job = start(*SAMPLE, *in_folder(tmp_path), launcher=several(2, "--max-restarts", 2))
    wait_for(lambda: parts(folder) > 5, job)
    os.kill(worker(job.pid, rank), signal.SIGKILL)
    code, output = finish(job)
    assert code == 0, output
    assert "Traceback" not in output
    check(folder, whole)


@pytest.mark.parametrize("rank", [0, 1])
def test_without_restarts_the_same_command_goes_on(
    rank: int, folder: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    job = start(*SAMPLE, *in_folder(tmp_path), launcher=several(2))
    wait_for(lambda: parts(folder) > 5, job)
    os.kill(worker(job.pid, rank), signal.SIGKILL)
    code, output = finish(job, 60)
    assert code != 0
    assert "SIGKILL" in output or "Signal 9" in output
    assert 5 < parts(folder) < SHARDS
    code, output = finish(start(*SAMPLE, *in_folder(tmp_path), launcher=several(3)))
    assert code == 0, output
    check(folder, whole)


@pytest.mark.parametrize("dying", [0, 1])
def test_a_lost_machine_ends_the_job_and_the_same_command_goes_on(
    dying: int, folder: Path, whole: dict[str, str], tmp_path: Path
) -> None:
    port = free_port()
    first = start(*SAMPLE, *in_folder(tmp_path), launcher=agent(port))
    wait_for(lambda: is_listening(port), first)  # so that it is the one that holds the rendezvous
    second = start(*SAMPLE, *in_folder(tmp_path), launcher=agent(port))
    both = [first, second]
    wait_for(lambda: parts(folder) > 5, first)
    kill_machine(both[dying])
    code, output = finish(both[1 - dying], 120)
    assert code != 0, output
    assert 5 < parts(folder) < SHARDS
    code, output = finish(start(*SAMPLE, *in_folder(tmp_path)))
    assert code == 0, output
    check(folder, whole)


def test_an_elastic_job_goes_on_without_the_lost_machine(folder: Path, whole: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    options = ("--max-restarts", 3, "--rdzv-conf", "last_call_timeout=3")
    launcher = agent(port, *options, nodes="1:2")
    first = start(*SAMPLE, *in_folder(tmp_path), launcher=launcher)
    wait_for(lambda: is_listening(port), first)  # it holds the rendezvous, which must outlive the second
    second = start(*SAMPLE, *in_folder(tmp_path), launcher=launcher)
    wait_for(lambda: parts(folder) > 5 and (worker(second.pid, 0) or worker(second.pid, 1)), first)
    kill_machine(second)
    code, output = finish(first)
    assert code == 0, output
    check(folder, whole)
