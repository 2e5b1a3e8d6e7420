"""One training step: read blocks, forecast, compute losses and gradients, update the weights."""

import logging
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace

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

Terms = dict[str, Tensor]

_logger = logging.getLogger(__name__)


class TrainStep:
    """Forward pass, losses, backward pass and optimizer step for some blocks.

    A step's gradient is the mean over its blocks in all processes. Where it is not finite the weights stay unchanged.
    """

    def __init__(self, network: Atft, reader: BlockReader, params: TrainingParams, group: ProcessGroup) -> None:
        self.network, self.reader, self.params, self.group = network, reader, params, group
        self.forecast = compile_network(network) if params.compile else network
        self.build_inputs = LossInputBuilder(network, reader.panel.metadata, params)
        self.device = reader.panel.row_of.device
        self.reading = Stopwatch(self.device)
        self.pieces = 1  # that each block is split into, to fit into memory
        self.horizon_weights: dict[str, Tensor] = {}  # by phase
        self.learning_rate = 0.0  # of the last step
        self.sums = torch.zeros(3, dtype=torch.float64, device=self.device)  # of loss, steps and forecasts
        self.reset_optimizer()

    def reset_optimizer(self) -> None:
        """Create a new AdamW.

        Weight decay applies to matrices only; the graph attention has its own.
        """
        by_decay: dict[float, list[nn.Parameter]] = {}
        for name, weight in self.network.named_parameters():
            decay = self.params.graph_weight_decay if name.startswith("gat.") else self.params.weight_decay
            by_decay.setdefault(decay if weight.ndim > 1 else 0.0, []).append(weight)
        groups = [{"params": weights, "weight_decay": decay} for decay, weights in by_decay.items()]
        self.optimizer = torch.optim.AdamW(groups, lr=1e-3, betas=self.params.betas, fused=True)

    def run(self, blocks: list[np.ndarray], phase: PhaseParams, learning_rate: float) -> Terms:
        """Train on the days of some blocks; split the blocks further when memory runs out."""
        while True:
            try:
                return self._run(blocks, phase, learning_rate)
            except RuntimeError as error:
                if not is_out_of_memory(error) or self.group.size > 1 or self.pieces >= self.params.days_per_block:
                    raise
            self.optimizer.zero_grad(set_to_none=True)
            if self.device.type != "cpu":
                torch.accelerator.empty_cache()
            self.split_blocks(2 * self.pieces)
            days = self.reader.days
            _logger.warning("out of memory: each block is now trained in %d pieces of %d days", self.pieces, days)
            if changed := [name for name in ACROSS_DAYS if name in phase.loss.active()]:
                _logger.warning("the loss %s now compares only the days of each piece", " and ".join(changed))

    def split_blocks(self, pieces: int) -> None:
        """Split each block into so many pieces."""
        if pieces != self.pieces:
            self.pieces, self.reader = pieces, self.reader.with_days(-(-self.params.days_per_block // pieces))

    def _run(self, blocks: list[np.ndarray], phase: PhaseParams, learning_rate: float) -> Terms:
        terms: Terms = {}
        count, forecasts = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for block, share in self._read_blocks(blocks):
            losses = self._compute_losses(block, phase)
            (share * losses["loss"]).backward()
            count += share
            forecasts += block.is_forecast.sum()
            terms = {name: terms.get(name, 0) + share * loss.detach() for name, loss in losses.items()}
        self.sums[2] += forecasts
        return self._optimizer_step(terms, count, phase, learning_rate)

    def _read_blocks(self, blocks: list[np.ndarray]) -> Iterator[tuple[Block, float]]:
        """Read blocks or their pieces, each with its share of its block's days.

        A process without days reads an empty block, because all processes must compute gradients to add.
        """
        not_empty = [days for days in blocks if (days >= 0).any()]
        for days in not_empty or blocks[:1]:
            pieces = np.array_split(days, self.pieces)
            shares = [float((piece >= 0).sum() / max((days >= 0).sum(), 1)) for piece in pieces]
            for piece, share in zip(pieces, shares, strict=True):
                if share or not not_empty:
                    with self.reading.running():
                        block = self.reader.read(pad_days(piece, self.reader.days))
                    yield block, share

    def _compute_losses(self, block: Block, phase: PhaseParams) -> Terms:
        block = augment(block, phase.augment)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.params.precision == "bf16"):
            forecast = self.forecast(block, frozenset(phase.modules))
        if phase.name not in self.horizon_weights:
            weights = torch.tensor(phase.weigh_horizons(self.network.horizons), device=self.device)
            self.horizon_weights[phase.name] = weights
        losses = combine_losses(self.build_inputs(block, forecast), phase.loss, self.horizon_weights[phase.name])
        if phase.gradient_penalty:
            penalty = self.gradient_penalty(block, phase)
            losses |= {"loss": losses["loss"] + phase.gradient_penalty * penalty, "gradient_penalty": penalty}
        return losses

    def sum_loss(self, phase: PhaseParams, block: Block, forecast: Tensor) -> Tensor:
        """Sum a phase's loss over the days of a block, and count the days (2, horizon)."""
        inputs = self.build_inputs(block, forecast)
        days = inputs.count_days()
        return torch.stack([sum_losses(inputs, phase.loss) * days, days])

    def gradient_penalty(self, block: Block, phase: PhaseParams) -> Tensor:
        """Compute the squared gradient of the sum of the forecasts by the features, per forecast."""
        features = block.features.float().requires_grad_()
        block = replace(block, features=features)
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
            point = self.network.point(self.network(block, frozenset(phase.modules)))
            total = (point * block.is_forecast.unsqueeze(-1)).sum()
            (slope,) = torch.autograd.grad(total, features, create_graph=True)
            return slope.square().sum() / block.is_forecast.sum().clamp(min=1)

    def _optimizer_step(self, terms: Terms, count: Tensor, phase: PhaseParams, learning_rate: float) -> Terms:
        """Average gradients over blocks and processes, clip them, and update the weights where all is finite."""
        weights = [weight for weight in self.network.parameters() if weight.grad is not None]
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        self.group.all_reduce([*gradients, *terms.values(), count])
        torch._foreach_div_(gradients, count)
        terms = {name: term / count for name, term in terms.items()}
        norms = {f"gradient/{name}": _gradient_norm(child) for name, child in self.network.named_children()}
        norm = nn.utils.clip_grad_norm_(weights, phase.clip_norm)
        skipped = ~(norm.isfinite() & terms["loss"].isfinite())
        self.optimizer.grad_scale, self.optimizer.found_inf = None, skipped.float()  # type: ignore[attr-defined]
        self.learning_rate = learning_rate
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.sums[:2] += torch.stack([terms["loss"].where(~skipped, 0), ~skipped])
        return terms | {"gradient": norm, "skipped": skipped} | norms

    def read_sums(self) -> tuple[float, int]:
        """Return the mean loss and the number of forecasts since the last call."""
        total = self.sums.clone()
        self.group.all_reduce([total])
        self.sums.zero_()
        loss, steps, forecasts = total.tolist()
        return loss / max(steps, 1), round(forecasts)


def _gradient_norm(module: nn.Module) -> Tensor:
    gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
    return nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether memory ran out, on a GPU or a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class LossInputBuilder:
    """Builds the inputs of the losses: labels, quantile levels and exposures."""

    def __init__(self, network: Atft, metadata: PanelMetadata, params: TrainingParams) -> None:
        unknown = sorted(set(params.exposures) - {*metadata.features, SECTOR})
        if unknown:
            raise InputError(f"training.exposures: {unknown} are neither features of this panel nor {SECTOR!r}.")
        sectors = sorted({name for history in metadata.sectors for _, name in history})
        if SECTOR in params.exposures and not sectors:
            raise InputError(f"training.exposures names {SECTOR!r}, but the ML dataset has no sectors.")
        device = network.heads.linear.weight.device
        self.network, self.params, self.sectors = network, params, len(sectors)
        self.columns = [metadata.features.index(name) for name in params.exposures if name != SECTOR]
        self.levels = torch.tensor(network.params.quantiles, device=device)
        self.sector = index_sectors(metadata, sectors).to(device) if SECTOR in params.exposures else None

    def __call__(self, block: Block, forecast: Tensor) -> LossInputs:
        """Build the inputs of every day, horizon and stock of a block."""
        returns = block.targets.transpose(1, 2)  # (day, horizon, stock)
        labels = self.params.labels
        is_gaussian = labels.transform == "gaussian_rank"
        label, valid = transform_labels(returns, returns.isfinite(), labels.drop_extremes, gaussian=is_gaussian)
        quantiles = forecast.float().transpose(1, 2)
        return LossInputs(
            point=self.network.point(quantiles),
            quantiles=quantiles,
            label=label,
            returns=returns,
            valid=valid,
            present=block.is_forecast,
            exposures=self.read_exposures(block),
            levels=self.levels,
            floor=self.params.scale_floor,
        )

    def read_exposures(self, block: Block) -> Tensor:
        """Read the exposures of the forecasts (day, exposure, stock); NaN where unknown."""
        index = block.slot.clamp(min=0) + block.rows.shape[1] * torch.arange(len(block.stock), device=block.slot.device)
        exposures = block.features[..., self.columns].float().flatten(0, 1)[index]  # (day, stock, exposure)
        exposures = exposures.where(block.is_forecast.unsqueeze(-1), torch.nan)
        if self.sector is not None:
            sector = self.sector[block.day.clamp(min=0)][:, block.stock.clamp(min=0)].long()  # (day, stock)
            one_hot = functional.one_hot(sector.clamp(min=0), self.sectors).float()
            exposures = torch.cat([exposures, one_hot.where((sector >= 0).unsqueeze(-1), torch.nan)], -1)
        return exposures.transpose(1, 2)


def index_sectors(metadata: PanelMetadata, sectors: list[str]) -> Tensor:
    """Look up the index of each stock's sector on each day (day, stock); −1 where unknown."""
    index = torch.full((len(metadata.days), len(metadata.codes)), -1, dtype=torch.int16)
    for stock, history in enumerate(metadata.sectors):
        for since, name in history:
            index[bisect_left(metadata.days, since) :, stock] = sectors.index(name)
    return index
