"""A checkpoint gives back what was put in, for the training that it belongs to, and for no other."""

import pytest
import torch
from torch import nn

from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.training.checkpoints import check_same, read_checkpoint, write_checkpoint

IDENTITY = {"steps": 3, "data": "abc", "taken": [1, 2]}


def trained(optimizer_class, steps=2, **options):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    optimizer = optimizer_class(net.parameters(), lr=0.1, **options)
    for step in range(steps):
        advance(net, optimizer, step)
    return net, optimizer


def advance(net, optimizer, step):
    optimizer.zero_grad()
    inputs = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
    net(inputs).square().mean().backward()
    optimizer.step()


@pytest.mark.parametrize(("optimizer_class", "options"), [(torch.optim.SGD, {"momentum": 0.9}), (torch.optim.Adam, {})])
def test_a_training_goes_on_as_if_nothing_had_happened(tmp_path, optimizer_class, options):
    path = tmp_path / "c.safetensors"
    net, optimizer = trained(optimizer_class, **options)
    write_checkpoint(path, {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "step": 2}, IDENTITY)
    advance(net, optimizer, 2)

    again, other = trained(optimizer_class, steps=0, **options)
    state = read_checkpoint(path, IDENTITY)
    assert state["step"] == 2
    again.load_state_dict(state["net"])
    other.load_state_dict(state["optimizer"])
    advance(again, other, 2)
    for name, value in net.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_plain_values_lists_and_shared_tensors_survive(tmp_path):
    shared = torch.arange(3)
    state = {"a": [1, 2.5, None, True, "x"], "b": {7: shared, "7": shared}, "c": shared[1:], "d": torch.zeros(())}
    write_checkpoint(tmp_path / "c", state, {})
    read = read_checkpoint(tmp_path / "c", {})
    assert read["a"] == state["a"]
    assert list(read["b"]) == [7, "7"]
    assert read["c"].tolist() == [1, 2]
    assert read["d"].shape == ()


def test_there_may_be_none(tmp_path):
    assert read_checkpoint(tmp_path / "c", IDENTITY) is None


def test_another_training_is_refused_with_the_difference(tmp_path):
    write_checkpoint(tmp_path / "c", {}, IDENTITY)
    with pytest.raises(UsageError, match=r"steps 3, this one has 4") as caught:
        read_checkpoint(tmp_path / "c", {**IDENTITY, "steps": 4})
    assert "--overwrite" in caught.value.hint
    assert read_checkpoint(tmp_path / "c", {**IDENTITY, "taken": (1, 2)}) == {}


@pytest.mark.parametrize(
    ("found", "wanted", "told"),
    [
        ({"recipe": {"batch": 4, "lr": 1}}, {"recipe": {"batch": 4, "lr": 2}}, "recipe.lr 1, this one has 2"),
        ({"a": {"b": {"c": 1}}}, {"a": {"b": {}}}, "a.b.c 1, this one has None"),
        ({"a": {"b": 1}}, {"a": [1]}, r"a \{'b': 1\}, this one has \[1\]"),
        ({"a": [1, {"b": 2}, 3]}, {"a": [1, {"b": 0}, 4]}, "a.1.b 2, this one has 0"),
        ({"a": [1, 2]}, {"a": [1]}, r"a \[1, 2\], this one has \[1\]"),
        ({"only": 1}, {}, "only 1, this one has None"),
    ],
)
def test_a_difference_is_told_by_its_own_name(found, wanted, told, tmp_path):
    with pytest.raises(UsageError, match=f"c belongs to a training with {told}"):
        check_same(tmp_path / "c", found, wanted)


def test_a_file_that_is_no_checkpoint_or_cut_is_told(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, tmp_path / "other")
    with pytest.raises(DataError, match="does not say what was trained"):
        read_checkpoint(tmp_path / "other", IDENTITY)
    write_checkpoint(tmp_path / "c", {"x": torch.zeros(1000)}, IDENTITY)
    (tmp_path / "c").write_bytes((tmp_path / "c").read_bytes()[:-100])
    with pytest.raises(DataError):
        read_checkpoint(tmp_path / "c", IDENTITY)
