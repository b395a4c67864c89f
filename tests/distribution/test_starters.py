"""``bdgan sample`` without torchrun: srun's and Kubeflow's variables, and job arrays that never meet."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.rebuild import MergeConfig, merge
from bdgan_cli.workflows.sample import SampleConfig, sample
from tests.distribution.jobs import SAMPLE, SAMPLES, digests, finish, free_port, in_folder, parts, start, wait_for
from tests.helpers import save_random_head

SMALL: dict[str, Any] = {"per_class": 6, "batch": 2, "shard_size": 4}


def srun(rank: int, port: int) -> dict[str, str]:
    """Two nodes of one task each, as ``srun --nodes 2 --ntasks-per-node 1`` in a larger allocation tells them."""
    return {
        "SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "bdgan", "SLURM_NTASKS": "16", "SLURM_NTASKS_PER_NODE": "8",
        "SLURM_NNODES": "2", "SLURM_NODELIST": "127.0.0.1", "SLURM_JOB_NODELIST": "127.0.0.1",
        "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_TASKS_PER_NODE": "1(x2)", "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": "0", "SLURM_NODEID": str(rank), "SLURM_CPUS_PER_TASK": "1", "MASTER_PORT": str(port),
    }  # fmt: skip


def one_node(rank: int, port: int) -> dict[str, str]:
    """Two tasks on one node, ``--ntasks-per-node`` not given, the port by the number of the job."""
    job = {"SLURM_STEP_TASKS_PER_NODE": "2", "SLURM_NODEID": "0", "SLURM_LOCALID": str(rank), "SLURM_NNODES": "1"}
    return {name: text for name, text in {**srun(rank, port), **job}.items() if name != "SLURM_NTASKS_PER_NODE"}


def kubeflow(rank: int, port: int) -> dict[str, str]:
    return {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "RANK": str(rank)}


@pytest.mark.slow
@pytest.mark.parametrize("variables", [srun, one_node, kubeflow])
def test_tasks_that_a_scheduler_starts_share_one_dataset(variables: Any, tmp_path: Path) -> None:
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    for workspace in (whole, shared):
        save_random_head(workspace)
    config = SampleConfig(workspace=whole, classes="0-3", per_class=120, batch=4, shard_size=8)
    expected = digests(sample(config).folder)
    port = free_port()
    tasks = [start(*SAMPLE, *in_folder(shared), env=variables(rank, port)) for rank in (0, 1)]
    ended = [finish(task) for task in tasks]
    assert [code for code, _ in ended] == [0, 0], ended
    assert "datasets/tiny-biggan-sim" in ended[0][1]
    assert ended[1][1] == "", "the first speaks for all"
    assert digests(shared / "datasets" / "tiny-biggan-sim") == expected


@pytest.mark.slow
def test_a_task_that_lost_another_says_so_and_ends(tmp_path: Path) -> None:
    save_random_head(tmp_path)
    folder, port = tmp_path / "datasets" / "tiny-biggan-sim", free_port()
    first, second = (start(*SAMPLE, *in_folder(tmp_path), env=srun(rank, port)) for rank in (0, 1))
    wait_for(lambda: parts(folder) > 5, first)
    os.kill(first.pid, signal.SIGKILL)
    finish(first)
    code, output = finish(second, 60)
    assert code == 1
    assert output.startswith("error: another process of the job has ended before its work was done")
    assert "hint: see its own message; then run the same command again" in output
    code, output = finish(start(*SAMPLE, *in_folder(tmp_path)))
    assert code == 0, output
    assert len(open_dataset(folder)) == SAMPLES
    assert verify_dataset(folder, Silent()) == []


def test_an_array_of_jobs_over_classes_merges_into_the_samples_of_one(tmp_path: Path) -> None:
    save_random_head(tmp_path)
    whole = sample(SampleConfig(workspace=tmp_path, classes="0-3", **SMALL)).folder
    tasks = [
        sample(SampleConfig(workspace=tmp_path, name=f"part-{task}", classes=classes, **SMALL)).folder
        for task, classes in enumerate(("0-1", "2-3"))
    ]
    merged = merge(MergeConfig(tuple(map(str, tasks)), tmp_path / "merged")).root
    assert verify_dataset(merged, Silent()) == []
    one, other = open_dataset(whole), open_dataset(merged)
    assert other.keys() == one.keys()
    sums = ["image_sha256", "mask_sha256", "latent_sha256", "uncertainty"]
    assert other.table.select(sums).to_pylist() == one.table.select(sums).to_pylist()
