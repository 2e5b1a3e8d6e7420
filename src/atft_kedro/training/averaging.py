"""Averages of the weights: one that follows step by step, and one of the last epochs in equal parts."""

import copy
from typing import TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def copy_still(network: Network) -> Network:
    """Copy a network that will follow another and never learn itself."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, share: float) -> None:
    """Move an average a share of the way to the network."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), share)
