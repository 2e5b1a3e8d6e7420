"""One step: forecasts, losses, gradients and new weights of some blocks, however they have to be cut to fit."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..losses import ACROSS_DAYS, combine, weigh_terms
from ..network.atft import Atft
from ..panel.blocks import Block, BlockReader
from ..panel.sampler import pad_days
from .augmentation import augment
from .compiling import compile_network
from .distributed import ProcessGroup
from .loss_inputs import LossInputBuilder
from .params import TrainingParams
from .phases import PhaseParams
from .stopwatch import Stopwatch

Terms = dict[str, Tensor]

_logger = logging.getLogger(__name__)


class TrainStep:
    """Makes a network better step by step.

    A step's gradient is the mean over its blocks, on all ranks. Where it is not finite the weights stay as they were.
    """

    def __init__(self, network: Atft, reader: BlockReader, params: TrainingParams, ranks: ProcessGroup) -> None:
        self.network, self.reader, self.params, self.ranks = network, reader, params, ranks
        self.forecast = compile_network(network) if params.compile else network
        self.ask = LossInputBuilder(network, reader.panel.metadata, params)
        self.device = reader.panel.row_of.device
        self.reading = Stopwatch(self.device)
        self.pieces = 1  # that each block is cut into, for want of memory
        self.weights: dict[str, Tensor] = {}  # of the horizons, by phase
        self.rate = 0.0  # the last step's learning rate
        self.sums = torch.zeros(3, dtype=torch.float64, device=self.device)  # of loss, steps and forecasts
        self.begin()

    def begin(self) -> None:
        """Forget what the optimizer knows. It decays matrices only, those of the graph attention less."""
        decays: dict[float, list[nn.Parameter]] = {}
        for name, weight in self.network.named_parameters():
            decay = self.params.graph_weight_decay if name.startswith("gat.") else self.params.weight_decay
            decays.setdefault(decay if weight.ndim > 1 else 0.0, []).append(weight)
        groups = [{"params": weights, "weight_decay": decay} for decay, weights in decays.items()]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=self.params.betas, fused=True)

    def learn(self, blocks: list[np.ndarray], phase: PhaseParams, rate: float) -> Terms:
        """Learn from the days of some blocks at once; cut them smaller where memory does not hold them."""
        while True:
            try:
                return self._learn(blocks, phase, rate)
            except RuntimeError as error:
                if not is_out_of_memory(error) or self.ranks.count > 1 or self.pieces >= self.params.days_per_block:
                    raise
            self.optimizer.zero_grad(set_to_none=True)
            if self.device.type != "cpu":
                torch.accelerator.empty_cache()
            self.cut(2 * self.pieces)
            days = self.reader.days
            _logger.warning("out of memory: each block is now learned in %d pieces of %d days", self.pieces, days)
            if changed := [name for name in ACROSS_DAYS if name in phase.loss.active()]:
                _logger.warning("the loss %s now compares the days of each piece only", " and ".join(changed))

    def cut(self, pieces: int) -> None:
        """Learn each block in so many pieces."""
        if pieces != self.pieces:
            self.pieces, self.reader = pieces, self.reader.with_days(-(-self.params.days_per_block // pieces))

    def _learn(self, blocks: list[np.ndarray], phase: PhaseParams, rate: float) -> Terms:
        told: Terms = {}
        count, forecasts = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for block, share in self._read(blocks):
            terms = self._judge(block, phase)
            (share * terms["loss"]).backward()
            count += share
            forecasts += block.is_forecast.sum()
            told = {name: told.get(name, 0) + share * term.detach() for name, term in terms.items()}
        self.sums[2] += forecasts
        return self._move(told, count, phase, rate)

    def _read(self, blocks: list[np.ndarray]) -> Iterator[tuple[Block, float]]:
        """Read blocks, in pieces where need be, each with its share of its block.

        A rank that has no days left reads an empty block, for it must have gradients to add.
        """
        there = [days for days in blocks if (days >= 0).any()]
        for days in there or blocks[:1]:
            pieces = np.array_split(days, self.pieces)
            shares = [float((piece >= 0).sum() / max((days >= 0).sum(), 1)) for piece in pieces]
            for piece, share in zip(pieces, shares, strict=True):
                if share or not there:
                    with self.reading.running():
                        block = self.reader.read(pad_days(piece, self.reader.days))
                    yield block, share

    def _judge(self, block: Block, phase: PhaseParams) -> Terms:
        """Forecast a block and weigh how wrong that is."""
        block = augment(block, phase.augment)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.params.precision == "bf16"):
            forecast = self.forecast(block, frozenset(phase.parts))
        weights = self._weigh_horizons(phase)
        terms = combine(self.ask(block, forecast), phase.loss, weights)
        if phase.gradient_penalty:
            penalty = self._slope(block, phase)
            terms |= {"loss": terms["loss"] + phase.gradient_penalty * penalty, "gradient_penalty": penalty}
        return terms

    def sum_loss(self, phase: PhaseParams, block: Block, forecast: Tensor) -> Tensor:
        """Compute a phase's loss of a block for each horizon, summed over its days, and their number (2, horizon)."""
        question = self.ask(block, forecast)
        days = question.count_days()
        return torch.stack([weigh_terms(question, phase.loss) * days, days])

    def _weigh_horizons(self, phase: PhaseParams) -> Tensor:
        """Bring a phase's horizon weights to the device, once."""
        if phase.name not in self.weights:
            weights = torch.tensor(phase.weigh_horizons(self.network.horizons), device=self.device)
            self.weights[phase.name] = weights
        return self.weights[phase.name]

    def _slope(self, block: Block, phase: PhaseParams) -> Tensor:
        """Measure how steeply the forecasts follow the features: the squared gradient of their sum, per forecast."""
        features = block.features.float().requires_grad_()
        block = replace(block, features=features)
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
            point = self.network.point(self.network(block, frozenset(phase.parts)))
            total = (point * block.is_forecast.unsqueeze(-1)).sum()
            (slope,) = torch.autograd.grad(total, features, create_graph=True)
            return slope.square().sum() / block.is_forecast.sum().clamp(min=1)

    def _move(self, told: Terms, count: Tensor, phase: PhaseParams, rate: float) -> Terms:
        """Average over blocks and ranks, clip, and step where everything is finite."""
        weights = [weight for weight in self.network.parameters() if weight.grad is not None]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        self.ranks.add([*gradients, *told.values(), count])
        torch._foreach_div_(gradients, count)
        told = {name: term / count for name, term in told.items()}
        norms = {f"gradient/{name}": _norm(child) for name, child in self.network.named_children()}
        norm = nn.utils.clip_grad_norm_(weights, phase.clip_norm)
        skipped = ~(norm.isfinite() & told["loss"].isfinite())
        self.optimizer.grad_scale, self.optimizer.found_inf = None, skipped.float()  # type: ignore[attr-defined]
        self.rate = rate
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.sums[:2] += torch.stack([told["loss"].where(~skipped, 0), ~skipped])
        return told | {"gradient": norm, "skipped": skipped} | norms

    def read_sums(self) -> tuple[float, int]:
        """Fetch the mean loss and the number of forecasts since last asked."""
        total = self.sums.clone()
        self.ranks.add([total])
        self.sums.zero_()
        loss, steps, forecasts = total.tolist()
        return loss / max(steps, 1), round(forecasts)


def _norm(module: nn.Module) -> Tensor:
    gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
    return nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())


def is_out_of_memory(error: RuntimeError) -> bool:
    """Say whether an error means that memory was asked for and not there, on a GPU or a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
