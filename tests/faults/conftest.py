from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.commands import COMMANDS
from tests.faults.harness import Zygote
from tests.faults.inputs import Inputs
from tests.faults.trial import Trials

# The default suite tries some commands at a few points; ``-m slow`` all of them at many.
each_command = pytest.mark.parametrize(
    "command",
    [pytest.param(one, id=one.name.replace(" ", "-"), marks=pytest.mark.slow) for one in COMMANDS],
)


@pytest.fixture(scope="session")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    """The parent of all trials of this test process."""
    parent = Zygote(tmp_path_factory.mktemp("outputs"))
    yield parent
    parent.close()


@pytest.fixture(scope="session")
def ground() -> Iterator[Path]:
    """Where trials take place: in memory, where there is a file system for that."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="bdgan-faults-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def inputs(zygote: Zygote, ground: Path) -> Inputs:
    return Inputs(ground / "inputs", zygote)


@pytest.fixture(scope="session")
def trials(zygote: Zygote, inputs: Inputs) -> Trials:
    return Trials(zygote, inputs)
