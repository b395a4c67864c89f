"""What starters say, and that work which cannot be shared is refused before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import typer

from bdgan_cli import ranks
from bdgan_cli.cli.app import app
from bdgan_cli.errors import UsageError
from bdgan_cli.ranks import Place, read_place, usable_cores
from tests.conftest import RunCli

BATCH_SCRIPT = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "8", "SLURM_NTASKS_PER_NODE": "4", "SLURM_PROCID": "0"}
STEP = {**BATCH_SCRIPT, "SLURM_STEP_NUM_TASKS": "6", "SLURM_STEP_TASKS_PER_NODE": "2(x3)", "SLURM_PROCID": "5"}
TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
SHARED = {"sample", "benchmark", "benchmark truncation", "benchmark transfer", "pretrain contrastive", "pretrain joint"}


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, Place()),
        ({"WORLD_SIZE": "1", "RANK": "0"}, Place()),
        (BATCH_SCRIPT, Place()),
        ({**BATCH_SCRIPT, "SLURM_STEP_NUM_TASKS": "1"}, Place()),
        (STEP, Place(5, 6, 2, "srun")),
        ({**STEP, "SLURM_STEP_TASKS_PER_NODE": "6"}, Place(5, 6, 6, "srun")),
        (TORCHRUN, Place(3, 4, 2, "torchrun")),
        ({**STEP, **TORCHRUN}, Place(3, 4, 2, "torchrun")),
        ({**STEP, "WORLD_SIZE": "1", "RANK": "0"}, Place()),  # torchrun of one process for each task
        ({"RANK": "1", "WORLD_SIZE": "3", "MASTER_ADDR": "a"}, Place(1, 3, 1, "kubeflow")),
    ],
)
def test_the_place_is_what_the_starter_says(variables: dict[str, str], place: Place) -> None:
    assert read_place(variables) == place
    assert place.machines * place.local_size == place.world_size


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is 2, but RANK is missing"),
        ({**STEP, "SLURM_STEP_TASKS_PER_NODE": "4,2"}, "got 6 with 4 of them here"),
        ({**TORCHRUN, "LOCAL_WORLD_SIZE": "3"}, "got 4 with 3 of them here"),
    ],
)
def test_variables_that_do_not_fit_are_refused(variables: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_place(variables)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("restarts", "shared", "hangs"), [("0", "True", False), ("2", "False", False), ("2", "True", True)]
)
def test_restarts_that_would_hang_are_refused(restarts: str, shared: str, hangs: bool) -> None:
    variables = {"TORCHELASTIC_MAX_RESTARTS": restarts, "TORCHELASTIC_USE_AGENT_STORE": shared}
    with pytest.raises(UsageError) if hangs else nullcontext() as caught:
        ranks.check_restarts(variables)
    assert not hangs or "TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1" in caught.value.hint
    ranks.check_restarts({})


def test_cores_are_divided_and_a_container_s_quota_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)), raising=False)
    monkeypatch.setattr(ranks, "_CPU_QUOTA", tmp_path / "cpu.max")
    counted = []
    for quota in ("", "max 100000\n", "800000 100000\n", "50000 100000\n"):
        (tmp_path / "cpu.max").write_text(quota)
        counted.append((usable_cores(Place()), usable_cores(Place(0, 4, 4, "torchrun"))))
    assert counted == [(64, 16), (64, 16), (8, 2), (1, 1)]
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    assert usable_cores(Place(0, 4, 4, "srun")) == 6
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    assert usable_cores(Place(0, 4, 4, "srun")) == 1


def leaves(command: typer.core.TyperGroup | typer.core.TyperCommand, words: tuple[str, ...] = ()) -> Iterator[str]:
    """Name every command that does something."""
    inner = getattr(command, "commands", {})
    if not inner or getattr(command, "invoke_without_command", False):
        yield " ".join(words)
    for name, sub in inner.items():
        yield from leaves(sub, (*words, name))


COMMANDS = sorted(leaves(typer.main.get_command(app)))


def test_what_is_shared_exists() -> None:
    assert set(COMMANDS) >= SHARED
    assert len(COMMANDS) > 40


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in SHARED])
def test_every_other_command_refuses_several_processes(command: str, run_cli: RunCli, tmp_path: Path) -> None:
    done = run_cli(*command.split(), cwd=tmp_path, env=TORCHRUN)
    assert done.code == 2
    assert "runs in one process, not in 4" in done.stderr
    assert "hint: start it without torchrun" in done.stderr
    assert list(tmp_path.iterdir()) == []
