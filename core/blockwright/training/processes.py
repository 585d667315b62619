"""The processes that train one model together: one, or as many as torchrun has started."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh

from blockwright.models.devices import best_device

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


@dataclass(frozen=True)
class Processes:
    """This process's number, how many there are, its device, and the mesh over which models are sharded, if any."""

    device: torch.device
    rank: int = 0
    world: int = 1
    mesh: DeviceMesh | None = None

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Over all processes, in place."""
        if self.mesh is not None:
            dist.all_reduce(values)
        return values

    def wait_for_all(self) -> None:
        if self.mesh is not None:
            dist.barrier()


def one_process() -> Processes:
    """This one alone, on its GPU where it has one."""
    return Processes(best_device())


@contextmanager
def joined_processes() -> Iterator[Processes]:
    """All that torchrun has started, joined for the length of a with-block; this one alone where it has not."""
    if "RANK" not in os.environ:
        yield one_process()
        return
    device = _own_device()
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        world = dist.get_world_size()
        mesh = init_device_mesh(device.type, (world,))
        yield Processes(device, dist.get_rank(), world, mesh)
    finally:
        dist.destroy_process_group()


def _own_device() -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    return device


def shard(module: nn.Module, layers: nn.ModuleList, processes: Processes, dtype: torch.dtype | None) -> None:
    """FSDP2: each layer and what is left of `module` is divided over the processes and put together when it is used.

    `dtype` is what weights are gathered in, None for their own; gradients are summed in float32. One process alone
    keeps its modules as they are.
    """
    if processes.mesh is None:
        return
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    policy = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=None if dtype is None else torch.float32)
    for layer in layers:
        if any(True for _ in layer.parameters()):  # a layer that is skipped whole has none
            fully_shard(layer, mesh=processes.mesh, mp_policy=policy)
    fully_shard(module, mesh=processes.mesh, mp_policy=policy, reshard_after_forward=False)


def reshard(module: nn.Module) -> None:
    """Gives back what a forward pass without a backward one has left gathered."""
    from torch.distributed.fsdp import FSDPModule

    if isinstance(module, FSDPModule):
        module.reshard()
