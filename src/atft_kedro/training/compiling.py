"""Compiling a network's step, where this machine can."""

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from ..network.atft import Atft
from ..network.sizes import Part
from ..panel.blocks import Block

Forecast = Callable[[Block, frozenset[Part]], Tensor]

_logger = logging.getLogger(__name__)


def compile_network(network: Atft) -> Forecast:
    """Compile at the first block; where no compiler is present, say so in one line and go on as before."""
    from torch._dynamo.exc import TorchDynamoException  # takes seconds to import, and only here is it needed

    chosen: Forecast = torch.compile(network, dynamic=False)

    def forecast(block: Block, parts: frozenset[Part]) -> Tensor:
        nonlocal chosen
        try:
            return chosen(block, parts)
        except TorchDynamoException as error:
            if chosen is network:
                raise
            _logger.warning("not compiled, and slower for it: %s", str(error).strip().splitlines()[0])
            chosen = network
            return network(block, parts)

    return forecast
