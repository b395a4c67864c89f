"""Two processes that train together are one: batch norm, gradients, sums and stops (gloo, on the CPU)."""

import subprocess
import sys

import torch
from torch import nn

from bdgan_cli.runtime import Runtime
from bdgan_cli.training.norms import CrossRankBatchNorm, over_all_ranks
from tests.conftest import cli_environment

TOGETHER = """
import sys, torch
from bdgan_cli.runtime import start_runtime
from bdgan_cli.training.norms import over_all_ranks
from tests.training.test_ranks import batch, network, step

runtime = start_runtime("cpu")
assert runtime.any(runtime.rank == 1) and not runtime.any(False)
assert runtime.all_sum(torch.tensor([1.0, runtime.rank])).tolist() == [2.0, 1.0]
net = over_all_ranks(network(), runtime)
wrapped = runtime.prepare(net)
half = slice(4 * runtime.rank, 4 * runtime.rank + 4)
for number in range(3):
    step(net, wrapped, batch(number)[half])
if runtime.is_first:
    torch.save(net.state_dict(), sys.argv[1])
runtime.barrier()
"""


def batch(number):
    return torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(number)) * 2 + 1


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 3))


def step(net, wrapped, images):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    optimizer.zero_grad()
    wrapped(images).square().mean().backward()
    optimizer.step()


def test_two_processes_make_the_steps_of_one(tmp_path):
    script, out = tmp_path / "together.py", tmp_path / "net.pt"
    script.write_text(TOGETHER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script, out]
    done = subprocess.run(command, env=cli_environment(), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    together, alone = torch.load(out, weights_only=True), network()
    for number in range(3):
        step(alone, alone, batch(number))
    assert set(together) == set(alone.state_dict())
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(together[name], value, atol=1e-5, rtol=1e-5, msg=name)


def test_alone_nothing_is_wrapped_or_changed():
    net, runtime = network(), Runtime(torch.device("cpu"))
    assert over_all_ranks(net, runtime) is net
    assert runtime.prepare(net) is net
    assert not any(isinstance(module, CrossRankBatchNorm) for module in net.modules())
    assert runtime.any(True)
    assert not runtime.any(False)


def test_evaluation_takes_the_gathered_statistics():
    norm = nn.BatchNorm2d(3).eval()
    norm.running_mean.fill_(0.5)
    expected = norm(batch(0))
    norm.__class__ = CrossRankBatchNorm
    assert torch.equal(norm(batch(0)), expected)
