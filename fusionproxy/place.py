"""Where a training process computes: device, and its number among several (needs torch)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from fusionproxy.errors import missing_extra

try:
    import torch
except ModuleNotFoundError as err:
    raise missing_extra(err) from err


@dataclass(frozen=True)
class Place:
    """Where a process computes, and which of how many it is."""

    device: str = "cpu"
    rank: int = 0
    world: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def autocast(self) -> AbstractContextManager[Any]:
        """bf16 on GPUs; single precision on CPUs, where it is the faster one."""
        if self.device == "cpu":
            return nullcontext()
        return torch.autocast("cuda", dtype=torch.bfloat16)


def find_place(device: str) -> Place:
    """This process's place; under torchrun one of several."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if not torch.distributed.is_torchelastic_launched():
        return Place(device)
    torch.distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    rank = torch.distributed.get_rank()
    if device == "cuda":
        device = f"cuda:{rank % torch.cuda.device_count()}"
        torch.cuda.set_device(device)
    return Place(device, rank, torch.distributed.get_world_size())
