"""One training step: read blocks, forecast, compute losses and gradients, update the weights."""

import copy
import logging
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..labels import transform_labels
from ..losses import ACROSS_DAYS, LossInputs, combine_losses, sum_losses
from ..network.atft import Atft, compile_network
from ..panel.blocks import Block, BlockReader
from ..panel.sampler import pad_days
from ..panel.store import PanelMetadata
from ..params import InputError
from .augmentation import augment
from .distributed import ProcessGroup
from .params import TrainingParams
from .phases import PhaseParams
from .telemetry import Stopwatch

SECTOR = "sector"


class LossInputBuilder:
    """Puts forecasts beside what they should be, and beside what they should not be exposed to."""

    def __init__(self, network: Atft, metadata: PanelMetadata, params: TrainingParams) -> None:
        unknown = sorted(set(params.exposures) - {*metadata.features, SECTOR})
        if unknown:
            raise InputError(f"training.exposures: {unknown} are no features of this panel, nor {SECTOR!r}.")
        self.network, self.params = network, params
        self.places = [metadata.features.index(name) for name in params.exposures if name != SECTOR]
        self.sectors = len(list_sectors(metadata))
        if SECTOR in params.exposures and not self.sectors:
            raise InputError(f"training.exposures names {SECTOR!r}, but the ML dataset has no sectors.")
        device = network.heads.linear.weight.device
        self.levels = torch.tensor(network.params.quantiles, device=device)
        self.sector = number_sectors(metadata).to(device) if SECTOR in params.exposures else None

    def __call__(self, block: Block, forecast: Tensor) -> LossInputs:
        """Ask about every day, horizon and stock of a block."""
        returns = block.targets.transpose(1, 2)  # (day, horizon, stock)
        gaussian = self.params.labels.transform == "gaussian_rank"
        label, valid = transform_labels(
            returns, returns.isfinite(), self.params.labels.drop_extremes, gaussian=gaussian
        )
        quantiles = forecast.float().transpose(1, 2)
        return LossInputs(
            point=self.network.point(quantiles),
            quantiles=quantiles,
            label=label,
            returns=returns,
            valid=valid,
            present=block.is_forecast,
            exposures=self.expose(block),
            levels=self.levels,
            floor=self.params.scale_floor,
        )

    def expose(self, block: Block) -> Tensor:
        """Read the exposures of the forecasts (day, exposure, stock); NaN where unknown."""
        place = block.slot.clamp(min=0) + block.rows.shape[1] * torch.arange(len(block.stock), device=block.slot.device)
        mine = block.features[..., self.places].float().flatten(0, 1)[place]  # (day, stock, exposure)
        mine = mine.where(block.is_forecast.unsqueeze(-1), torch.nan)
        if self.sector is not None:
            number = self.sector[block.day.clamp(min=0)][:, block.stock.clamp(min=0)].long()  # (day, stock)
            member = functional.one_hot(number.clamp(min=0), self.sectors).float()
            mine = torch.cat([mine, member.where((number >= 0).unsqueeze(-1), torch.nan)], -1)
        return mine.transpose(1, 2)


def number_sectors(metadata: PanelMetadata) -> Tensor:
    """Look up the number of each stock's sector as it is known on each day (day, stock); −1 where unknown."""
    names = list_sectors(metadata)
    numbers = torch.full((len(metadata.days), len(metadata.codes)), -1, dtype=torch.int16)
    for stock, history in enumerate(metadata.sectors):
        for since, name in history:
            numbers[bisect_left(metadata.days, since) :, stock] = names.index(name)
    return numbers


def list_sectors(metadata: PanelMetadata) -> list[str]:
    """List the names of all sectors."""
    return sorted({name for history in metadata.sectors for _, name in history})


Terms = dict[str, Tensor]
_logger = logging.getLogger(__name__)


class TrainStep:
    """Makes a network better step by step.

    A step's gradient is the mean over its blocks, on all ranks. Where it is not finite the weights stay as they were.
    """

    def __init__(self, network: Atft, reader: BlockReader, params: TrainingParams, group: ProcessGroup) -> None:
        self.network, self.reader, self.params, self.group = network, reader, params, group
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
                if not is_out_of_memory(error) or self.group.size > 1 or self.pieces >= self.params.days_per_block:
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
            forecast = self.forecast(block, frozenset(phase.modules))
        weights = self._weigh_horizons(phase)
        terms = combine_losses(self.ask(block, forecast), phase.loss, weights)
        if phase.gradient_penalty:
            penalty = self._slope(block, phase)
            terms |= {"loss": terms["loss"] + phase.gradient_penalty * penalty, "gradient_penalty": penalty}
        return terms

    def sum_loss(self, phase: PhaseParams, block: Block, forecast: Tensor) -> Tensor:
        """Compute a phase's loss of a block for each horizon, summed over its days, and their number (2, horizon)."""
        question = self.ask(block, forecast)
        days = question.count_days()
        return torch.stack([sum_losses(question, phase.loss) * days, days])

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
            point = self.network.point(self.network(block, frozenset(phase.modules)))
            total = (point * block.is_forecast.unsqueeze(-1)).sum()
            (slope,) = torch.autograd.grad(total, features, create_graph=True)
            return slope.square().sum() / block.is_forecast.sum().clamp(min=1)

    def _move(self, told: Terms, count: Tensor, phase: PhaseParams, rate: float) -> Terms:
        """Average over blocks and ranks, clip, and step where everything is finite."""
        weights = [weight for weight in self.network.parameters() if weight.grad is not None]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        self.group.all_reduce([*gradients, *told.values(), count])
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
        self.group.all_reduce([total])
        self.sums.zero_()
        loss, steps, forecasts = total.tolist()
        return loss / max(steps, 1), round(forecasts)


def _norm(module: nn.Module) -> Tensor:
    gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
    return nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())


def is_out_of_memory(error: RuntimeError) -> bool:
    """Say whether an error means that memory was asked for and not there, on a GPU or a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


Network = TypeVar("Network", bound=nn.Module)


def frozen_copy(network: Network) -> Network:
    """Copy a network that will follow another and never learn itself."""
    return copy.deepcopy(network).requires_grad_(False)


def ema_decay_at(decay: float, step: int) -> float:
    """Compute an average's decay at a step, counted from 0: it rises to ``decay`` as (1 + step) / (10 + step).

    Without this the average would hold the untrained weights for long: after 50 steps at 0.995 they are 78 % of it.
    """
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, share: float) -> None:
    """Move an average a share of the way to the network."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), share)
