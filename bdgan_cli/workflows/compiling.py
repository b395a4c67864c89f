"""Networks compiled by ``torch.compile``, and what to say where that fails."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import torch

from bdgan_cli.errors import BdganError

Network = TypeVar("Network", bound=Callable[..., object])


def compiled(network: Network, backend: str = "inductor") -> Network:
    """Return a network that is compiled when it is first called, whole and for the shapes of that call.

    Kernels are chosen by rule where torch can do that, not by timing them: another choice would round otherwise.
    CUDA graphs are not asked for: torch keeps them for one thread, and batches are computed by several.
    """
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it warns where there is no GPU
    by_rule = backend == "inductor" and "deterministic" in torch._inductor.list_options()
    options: dict[str, Any] | None = {"deterministic": True} if by_rule else None
    return cast("Network", torch.compile(network, backend=backend, dynamic=False, fullgraph=True, options=options))


@contextmanager
def compiling_explained() -> Iterator[None]:
    """Turn what torch raises inside the block where it cannot compile into an error with a hint."""
    import torch._dynamo.exc

    try:
        yield
    except (torch._dynamo.exc.TorchDynamoException, torch._dynamo.exc.FailOnRecompileLimitHit) as error:
        cause = getattr(error, "inner_exception", error)  # what a backend raised
        reason = " ".join(str(cause).split())[:200]
        raise BdganError(
            f"torch cannot compile the networks: {type(cause).__name__}: {reason}",
            "leave out --compile; it needs a C++ compiler (g++), on a GPU Triton too, and networks that are one graph",
        ) from error
