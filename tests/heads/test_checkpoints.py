import pytest
import torch

from bdgan_cli.errors import DataError
from bdgan_cli.heads.checkpoints import read_checkpoint, read_turns, write_checkpoint
from bdgan_cli.heads.files import write_tensors
from bdgan_cli.heads.turns import Turns
from bdgan_cli.training.checkpoints import CHECKPOINT_FILE

STATE = {"step": torch.tensor(3)}


def test_turns_come_back_and_bind_nothing(tmp_path):
    write_checkpoint(tmp_path, STATE, {"seed": 1}, Turns(2, 4))
    assert read_turns(tmp_path) == Turns(2, 4)
    state = read_checkpoint(tmp_path, {"seed": 1})
    assert state is not None
    assert torch.equal(state["step"], STATE["step"])


def test_a_checkpoint_without_turns_or_none_at_all(tmp_path):
    assert read_turns(tmp_path) is None
    write_checkpoint(tmp_path, STATE, {"seed": 1})
    assert read_turns(tmp_path) is None


@pytest.mark.parametrize("text", ["[2, 4]", '{"samples": 2}', "two", "{}", '{"samples": 0, "members": 1}'])
def test_turns_that_make_no_sense(tmp_path, text):
    write_tensors(tmp_path / CHECKPOINT_FILE, STATE, {"identity": "{}", "turns": text})
    with pytest.raises(DataError, match="how its steps are cut up") as caught:
        read_turns(tmp_path)
    assert caught.value.hint == "start again: --overwrite"


def test_a_checkpoint_that_does_not_say_what_it_is(tmp_path):
    write_tensors(tmp_path / CHECKPOINT_FILE, STATE)
    with pytest.raises(DataError, match="does not say what it was trained on"):
        read_checkpoint(tmp_path, {})
