"""Original BigGAN and the released head, written out plainly: spectral norm at each pass, batch norm step by step.

The state dicts have the keys and shapes of the public files, so these modules also make such files.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import nn

from bdgan_cli.generators.biggan import BigGANConfig


def one_step(weight, u):
    """W divided by the norm that one power step from u finds; norms are kept above 1e-4."""
    matrix = weight.reshape(weight.shape[0], -1)
    v = u @ matrix
    v = v / v.norm().clamp_min(1e-4)
    u = v @ matrix.t()
    u = u / u.norm().clamp_min(1e-4)
    return weight / (v @ matrix.t() @ u.t()).squeeze()


class Normalised(nn.Module):
    """A convolution or linear layer with weight, bias, u0 and sv0."""

    def __init__(self, *shape, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(shape))
        self.bias = nn.Parameter(torch.empty(shape[0])) if bias else None
        self.register_buffer("u0", torch.empty(1, shape[0]))
        self.register_buffer("sv0", torch.empty(1))

    def forward(self, x):
        weight = one_step(self.weight, self.u0)
        if weight.ndim == 2:
            return F.linear(x, weight, self.bias)
        return F.conv2d(x, weight, self.bias, padding=weight.shape[-1] // 2)


class ConditionalNorm(nn.Module):
    def __init__(self, channels, condition, bias=False):
        super().__init__()
        self.gain = Normalised(channels, condition, bias=bias)
        self.bias = Normalised(channels, condition, bias=bias)
        self.register_buffer("stored_mean", torch.empty(channels))
        self.register_buffer("stored_var", torch.empty(channels))

    def forward(self, x, y):
        x = (x - self.stored_mean[:, None, None]) / (self.stored_var[:, None, None] + 1e-4).sqrt()
        return x * (1 + self.gain(y))[..., None, None] + self.bias(y)[..., None, None]


class FinalNorm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.empty(channels)), nn.Parameter(torch.empty(channels))
        self.register_buffer("stored_mean", torch.empty(channels))
        self.register_buffer("stored_var", torch.empty(channels))

    def forward(self, x):
        x = (x - self.stored_mean[:, None, None]) / (self.stored_var[:, None, None] + 1e-5).sqrt()
        return x * self.gain[:, None, None] + self.bias[:, None, None]


class Block(nn.Module):
    def __init__(self, wide_in, wide_out, condition):
        super().__init__()
        self.conv1 = Normalised(wide_out, wide_in, 3, 3)
        self.conv2 = Normalised(wide_out, wide_out, 3, 3)
        self.conv_sc = Normalised(wide_out, wide_in, 1, 1)
        self.bn1, self.bn2 = ConditionalNorm(wide_in, condition), ConditionalNorm(wide_out, condition)

    def forward(self, x, y):
        h = twice(F.relu(self.bn1(x, y)))
        h = self.conv2(F.relu(self.bn2(self.conv1(h), y)))
        return h + self.conv_sc(twice(x))


class Attention(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.theta = Normalised(channels // 8, channels, 1, 1, bias=False)
        self.phi = Normalised(channels // 8, channels, 1, 1, bias=False)
        self.g = Normalised(channels // 2, channels, 1, 1, bias=False)
        self.o = Normalised(channels, channels // 2, 1, 1, bias=False)
        self.gamma = nn.Parameter(torch.empty(()))

    def forward(self, x, _):
        theta, phi, g = self.theta(x), F.max_pool2d(self.phi(x), 2), F.max_pool2d(self.g(x), 2)
        scores = torch.einsum("nchw,ncij->nhwij", theta, phi)
        weights = scores.flatten(3).softmax(-1).view_as(scores)
        return x + self.gamma * self.o(torch.einsum("nhwij,ncij->nchw", weights, g))


class Generator(nn.Module):
    """The generator under the names of BigGAN-PyTorch."""

    def __init__(self, config: BigGANConfig):
        super().__init__()
        self.chunk = config.chunk
        wide, condition = config.channels, config.shared_dim + config.chunk
        self.shared = nn.Embedding(config.class_count, config.shared_dim)
        self.linear = Normalised(16 * wide[0], config.chunk)
        self.blocks = nn.ModuleList()
        for i in range(len(wide) - 1):
            layers = [Block(wide[i], wide[i + 1], condition)]
            if 8 * 2**i == config.attention_size:
                layers.append(Attention(wide[i + 1]))
            self.blocks.append(nn.ModuleList(layers))
        self.output_layer = nn.Sequential(FinalNorm(wide[-1]), nn.ReLU(), Normalised(3, wide[-1], 3, 3))

    def forward(self, z, class_ids):
        y = self.shared(class_ids)
        chunks = z.split(self.chunk, 1)
        h = self.linear(chunks[0])
        h = h.view(len(z), -1, 4, 4)
        maps = []
        for layers, chunk in zip(self.blocks, chunks[1:], strict=True):
            for layer in layers:
                h = layer(h, torch.cat([y, chunk], 1))
                maps.append(h)
        return torch.tanh(self.output_layer(h)), maps, y


class MixBlock(nn.Module):
    def __init__(self, channels, condition):
        super().__init__()
        self.conv1, self.conv2 = (Normalised(channels, channels, 3, 3) for _ in range(2))
        self.bn1, self.bn2 = (ConditionalNorm(channels, condition, bias=True) for _ in range(2))

    def forward(self, x, y):
        h = self.conv1(F.relu(self.bn1(x, y)))
        return x + self.conv2(F.relu(self.bn2(h, y)))


class Joint(nn.Module):
    """Generator and one head under the names of the released checkpoints."""

    def __init__(self, config: BigGANConfig, labels=1):
        super().__init__()
        self.biggan_model = Generator(config)
        self.size = config.resolution
        low, mid, high = (sum(c for c, s in self.taps(config) if self.group(s) == g) for g in range(3))
        self.low_feature_conv = nn.Sequential(nn.Conv2d(low, 128, 1, bias=False))
        self.mid_feature_conv = nn.Sequential(nn.Conv2d(mid, 64, 1, bias=False))
        self.mid_feature_mix_conv = MixBlock(192, config.shared_dim)
        self.high_feature_conv = nn.Sequential(nn.Conv2d(high, 32, 1, bias=False))
        self.high_feature_mix_conv = MixBlock(224, config.shared_dim)
        self.out_layer = nn.Sequential(FinalNorm(224), nn.ReLU(), Normalised(labels, 224, 3, 3))

    @staticmethod
    def taps(config):
        for i, channels in enumerate(config.channels[1:]):
            yield channels, 8 * 2**i
            if 8 * 2**i == config.attention_size:
                yield channels, 8 * 2**i

    def group(self, size):
        return 0 if size <= self.size // 16 else 1 if size <= self.size // 4 else 2

    def forward(self, z, class_ids):
        images, maps, y = self.biggan_model(z, class_ids)
        sizes = [self.size // 16, self.size // 4, self.size]
        low, mid, high = (
            torch.cat([resized(m, sizes[g]) for m in maps if self.group(m.shape[-1]) == g], 1) for g in range(3)
        )
        h = resized(self.low_feature_conv(low), sizes[1])
        h = self.mid_feature_mix_conv(torch.cat([h, self.mid_feature_conv(mid)], 1), y)
        h = self.high_feature_mix_conv(torch.cat([resized(h, sizes[2]), self.high_feature_conv(high)], 1), y)
        return images, self.out_layer(h)


class Wrapped(nn.Module):
    """A normalised layer under the names of the first conversion."""

    def __init__(self, *shape, bias=True):
        super().__init__()
        self.module = nn.Module()
        self.module.weight_bar = nn.Parameter(torch.empty(shape))
        self.module.weight_u = nn.Parameter(torch.empty(shape[0]))
        self.module.weight_v = nn.Parameter(torch.empty(shape[0]))
        self.module.bias = nn.Parameter(torch.empty(shape[0])) if bias else None

    def forward(self, x):
        weight = one_step(self.module.weight_bar, self.module.weight_u[None])
        if weight.ndim == 2:
            return F.linear(x, weight, self.module.bias)
        return F.conv2d(x, weight, self.module.bias, padding=weight.shape[-1] // 2)


class NormV1(nn.Module):
    def __init__(self, channels, condition):
        super().__init__()
        self.bn = nn.BatchNorm2d(channels, affine=False, eps=1e-4)
        self.gamma_embed = Wrapped(channels, condition, bias=False)
        self.beta_embed = Wrapped(channels, condition, bias=False)

    def forward(self, x, y):
        return self.bn(x) * (1 + self.gamma_embed(y))[..., None, None] + self.beta_embed(y)[..., None, None]


class BlockV1(nn.Module):
    def __init__(self, wide_in, wide_out, condition):
        super().__init__()
        self.conv0 = Wrapped(wide_out, wide_in, 3, 3)
        self.conv1 = Wrapped(wide_out, wide_out, 3, 3)
        self.conv_sc = Wrapped(wide_out, wide_in, 1, 1)
        self.HyperBN, self.HyperBN_1 = NormV1(wide_in, condition), NormV1(wide_out, condition)

    def forward(self, x, y):
        h = self.conv0(twice(F.relu(self.HyperBN(x, y))))
        return self.conv1(F.relu(self.HyperBN_1(h, y))) + self.conv_sc(twice(x))


class AttentionV1(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.theta = Wrapped(channels // 8, channels, 1, 1, bias=False)
        self.phi = Wrapped(channels // 8, channels, 1, 1, bias=False)
        self.g = Wrapped(channels // 2, channels, 1, 1, bias=False)
        self.o_conv = Wrapped(channels, channels // 2, 1, 1, bias=False)
        self.gamma = nn.Parameter(torch.empty(1))

    def forward(self, x):
        theta, phi, g = self.theta(x), F.max_pool2d(self.phi(x), 2), F.max_pool2d(self.g(x), 2)
        scores = torch.einsum("nchw,ncij->nhwij", theta, phi)
        weights = scores.flatten(3).softmax(-1).view_as(scores)
        return x + self.gamma * self.o_conv(torch.einsum("nhwij,ncij->nchw", weights, g))


class GeneratorV1(nn.Module):
    """The generator under the names of the first conversion, with that code's orders of rows and columns."""

    def __init__(self, config: BigGANConfig):
        super().__init__()
        self.chunk, self.before = config.chunk, config.sizes.index(config.attention_size) + 1
        wide, condition = config.channels, config.shared_dim + config.chunk
        self.linear = nn.Linear(config.class_count, config.shared_dim, bias=False)
        self.G_linear = Wrapped(16 * wide[0], config.chunk)
        self.GBlock = nn.ModuleList(BlockV1(*pair, condition) for pair in pairwise(wide))
        self.attention = AttentionV1(wide[self.before])
        self.ScaledCrossReplicaBN = nn.BatchNorm2d(wide[-1], eps=1e-5)
        self.colorize = Wrapped(3, wide[-1], 3, 3)

    def forward(self, z, class_ids):
        y = self.linear(F.one_hot(class_ids, self.linear.in_features).float())
        chunks = z.split(self.chunk, 1)
        h = self.G_linear(chunks[0]).view(len(z), 4, 4, -1).permute(0, 3, 1, 2)
        for i, (block, chunk) in enumerate(zip(self.GBlock, chunks[1:], strict=True)):
            h = block(self.attention(h) if i == self.before else h, torch.cat([chunk, y], 1))
        return torch.tanh(self.colorize(F.relu(self.ScaledCrossReplicaBN(h))))


def twice(x):
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def resized(x, size):
    return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)


def filled(module, seed=0):
    """Fill a module with numbers that keep pictures lively, and put it into evaluation mode."""
    stream = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if name.endswith("var"):
            tensor.uniform_(0.5, 2, generator=stream)[0] = 0.1  # so small that a wrong epsilon shows
        elif name.endswith("gamma"):
            tensor.fill_(0.7)
        else:
            tensor.normal_(0, 0.1 if name.endswith(("mean", "bias")) and tensor.ndim == 1 else 1, generator=stream)
    return module.eval().requires_grad_(False)


def on_meta(kind, config):
    """Return the state dict of a module, without its memory."""
    with torch.device("meta"):
        return kind(config).state_dict()
