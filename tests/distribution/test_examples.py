"""The job files of examples/cluster: they parse, and ``bdgan sample`` takes the options that they give."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from bdgan_cli.cli.app import app
from tests.conftest import ROOT

FOLDER = ROOT / "examples" / "cluster"
SCRIPTS = sorted(FOLDER.glob("*.sbatch"))
SAMPLED = 10_000_000


def arguments(script: str) -> list[str]:
    """Return what follows ``sample``, with the first array task's variables in place."""
    joined = script.replace("\\\n", " ")
    (line,) = [line for line in joined.splitlines() if "-m bdgan_cli sample" in line]
    for variable in ("SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"):
        line = line.replace(f"${variable}", "0")
    line = line.replace("$first-$((first + 49))", "0-49").removesuffix("&")
    return shlex.split(line.partition("-m bdgan_cli sample")[2])


def parsed(words: list[str]) -> dict[str, Any]:
    command = typer.main.get_command(app).commands["sample"]  # type: ignore[attr-defined]
    values: dict[str, Any] = command.make_context("sample", list(words)).params
    return values


def check(words: list[str], tasks: int) -> None:
    """All tasks together make ten million samples, in shards of a thousand."""
    values = parsed(words)
    classes = 1000 if values["classes"] == "all" else 50
    assert values["per_class"] * classes * tasks == SAMPLED
    assert values["shard_size"] % values["batch"] == 0
    assert values["per_class"] % values["shard_size"] == 0


def test_the_folder_is_read() -> None:
    assert len(SCRIPTS) == 3


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_batch_scripts_are_bash_and_their_command_is_taken(path: Path) -> None:
    script = path.read_text()
    subprocess.run(["bash", "-n", path], check=True)
    array = re.search(r"#SBATCH --array=0-(\d+)", script)
    check(arguments(script), int(array[1]) + 1 if array else 1)
    assert "#SBATCH --requeue" in script


def test_the_indexed_job_parses() -> None:
    job = yaml.safe_load((FOLDER / "indexed-job.yaml").read_text())
    assert (job["apiVersion"], job["kind"], job["spec"]["completionMode"]) == ("batch/v1", "Job", "Indexed")
    pod = job["spec"]["template"]["spec"]
    check(arguments(pod["containers"][0]["args"][0]), job["spec"]["completions"])
    mounts = {mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}


def test_the_pytorchjob_parses() -> None:
    job = yaml.safe_load((FOLDER / "pytorchjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "PyTorchJob")
    worker = job["spec"]["pytorchReplicaSpecs"]["Worker"]
    container = worker["template"]["spec"]["containers"][0]
    assert container["name"] == "pytorch", "the operator sets its variables there"
    assert container["args"][:3] == ["-m", "bdgan_cli", "sample"]
    assert int(job["spec"]["nprocPerNode"]) == container["resources"]["limits"]["nvidia.com/gpu"]
    assert {"name": "TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "value": "1"} in container["env"]
    check(container["args"][3:], 1)
