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
from ..loss_weights import combine_losses, combine_losses_per_horizon
from ..losses import ACROSS_DAYS, LossInputs
from ..network.atft import Atft, compile_network
from ..panel.blocks import Block, BlockReader
from ..panel.sampler import pad_days
from ..panel.store import PanelMetadata
from ..params import InputError
from .augmentation import augment
from .distributed import TrainingProcesses
from .params import TrainingParams
from .phases import PhaseParams
from .telemetry import Stopwatch

SECTOR = "sector"
FORECASTS = 2  # index in `TrainStep.totals`; before it come the sum of losses and the number of steps

Terms = dict[str, Tensor]

_logger = logging.getLogger(__name__)


class TrainStep:
    """Forward pass, losses, backward pass and optimizer step for some blocks.

    The gradient of a step is the mean over its blocks in all processes. If the loss or the gradient norm is not finite,
    the step changes no weights.
    """

    def __init__(self, network: Atft, reader: BlockReader, params: TrainingParams, group: TrainingProcesses) -> None:
        self.network, self.reader, self.params, self.group = network, reader, params, group
        self.run_network = compile_network(network) if params.compile else network
        self.loss_input_builder = LossInputBuilder(network, reader.panel.metadata, params)
        self.loss_functions, self.device = params.load_losses(), reader.panel.row_of.device
        self.read_stopwatch = Stopwatch(self.device)  # measures the reading of blocks
        self.pieces_per_block = 1  # grows when memory runs out
        self.horizon_weights: dict[str, Tensor] = {}  # keys: names of phases
        self.learning_rate = 0.0  # the value that the last step used
        self.totals = torch.zeros(3, dtype=torch.float64, device=self.device)  # since the last `pop_totals`
        self.reset_optimizer()

    def reset_optimizer(self) -> None:
        """Create a new AdamW; weight decay applies only to parameters with two or more dimensions."""
        by_decay: dict[float, list[nn.Parameter]] = {}
        for name, weight in self.network.named_parameters():
            decay = self.params.graph_weight_decay if name.startswith("gat.") else self.params.weight_decay
            by_decay.setdefault(decay if weight.ndim > 1 else 0.0, []).append(weight)
        groups = [{"params": weights, "weight_decay": decay} for decay, weights in by_decay.items()]
        self.optimizer = torch.optim.AdamW(groups, betas=self.params.betas, fused=True)  # each step sets the rate

    def run(self, blocks: list[np.ndarray], phase: PhaseParams, learning_rate: float) -> Terms:
        """Train one step on some blocks; if memory runs out, split them and repeat.

        The error is raised if a piece has only one day, or if several processes train.
        """
        while True:
            try:
                return self._run(blocks, phase, learning_rate)
            except RuntimeError as error:
                has_one_day = self.pieces_per_block >= self.params.days_per_block
                if not is_out_of_memory(error) or self.group.size > 1 or has_one_day:
                    raise
            self.optimizer.zero_grad(set_to_none=True)
            if self.device.type != "cpu":
                torch.accelerator.empty_cache()
            self.split_blocks(2 * self.pieces_per_block)
            pieces, days = self.pieces_per_block, self.reader.days
            _logger.warning("out of memory: each block is now split into %d pieces of at most %d days", pieces, days)
            if changed := [name for name in phase.loss.positive_weights() if name in {*ACROSS_DAYS, *phase.loss.extra}]:
                _logger.warning("losses that compare days now compare only days of one piece: %s", ", ".join(changed))

    def split_blocks(self, pieces: int) -> None:
        """Set the number of pieces per block, and the reader to the days of a piece."""
        if pieces != self.pieces_per_block:
            self.pieces_per_block = pieces
            self.reader = self.reader.with_days(-(-self.params.days_per_block // pieces))

    def _run(self, blocks: list[np.ndarray], phase: PhaseParams, learning_rate: float) -> Terms:
        terms: Terms = {}
        n_blocks, n_forecasts = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for original, weight in self._read_blocks(blocks):
            block = augment(original, phase.augment)
            quantiles = self._forecast(block, phase)
            losses = self._compute_losses(block, quantiles, phase)
            (weight * losses["loss"]).backward()
            n_blocks += weight
            n_forecasts += block.is_forecast.sum()
            terms = {name: terms.get(name, 0) + weight * loss.detach() for name, loss in losses.items()}
        self.totals[FORECASTS] += n_forecasts
        terms = self._average(terms, n_blocks)
        norms = self._clip_gradients(phase.clip_norm)
        skipped = ~(norms["gradient"].isfinite() & terms["loss"].isfinite())
        self._update_weights(skipped, learning_rate)
        self.totals[:FORECASTS] += torch.stack([terms["loss"].where(~skipped, 0), ~skipped])
        return terms | norms | {"skipped": skipped}

    def _read_blocks(self, blocks: list[np.ndarray]) -> Iterator[tuple[Block, float]]:
        """Read blocks or their pieces, each with its weight: its share of the days of its block.

        A process without days reads one padded block with weight 0: ``all_reduce`` needs gradients of all processes.
        """
        blocks_with_days = [days for days in blocks if (days >= 0).any()]
        is_padding = not blocks_with_days
        for days in blocks[:1] if is_padding else blocks_with_days:
            pieces = np.array_split(days, self.pieces_per_block)
            weights = [float((piece >= 0).sum() / max((days >= 0).sum(), 1)) for piece in pieces]
            for piece, weight in zip(pieces, weights, strict=True):
                if weight or is_padding:
                    with self.read_stopwatch.running():
                        block = self.reader.read(pad_days(piece, self.reader.days))
                    yield block, weight

    def _forecast(self, block: Block, phase: PhaseParams) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.params.precision == "bf16"):
            return self.run_network(block, frozenset(phase.modules))

    def _compute_losses(self, block: Block, quantiles: Tensor, phase: PhaseParams) -> Terms:
        if (weights := self.horizon_weights.get(phase.name)) is None:
            weights = torch.tensor(phase.weigh_horizons(self.network.horizons), device=self.device)
            self.horizon_weights[phase.name] = weights
        losses = combine_losses(self.loss_input_builder(block, quantiles), phase.loss, weights, self.loss_functions)
        if phase.gradient_penalty:
            penalty = self.compute_gradient_penalty(block, phase)
            losses |= {"loss": losses["loss"] + phase.gradient_penalty * penalty, "gradient_penalty": penalty}
        return losses

    def compute_gradient_penalty(self, block: Block, phase: PhaseParams) -> Tensor:
        """Compute the squared norm of d(sum of forecasts) / d(features), per forecast."""
        features = block.features.float().requires_grad_()
        block = replace(block, features=features)
        with sdpa_kernel(SDPBackend.MATH):  # the fused kernels have no second derivative
            point = self.network.point_forecast(self.network(block, frozenset(phase.modules)))
            total = (point * block.is_forecast.unsqueeze(-1)).sum()
            (gradient,) = torch.autograd.grad(total, features, create_graph=True)
            return gradient.square().sum() / block.is_forecast.sum().clamp(min=1)

    def _average(self, terms: Terms, n_blocks: Tensor) -> Terms:
        """Average gradients and losses over the blocks of all processes."""
        gradients = [weight.grad for weight in self.network.parameters() if weight.grad is not None]
        self.group.all_reduce([*gradients, *terms.values(), n_blocks])
        torch._foreach_div_(gradients, n_blocks)
        return {name: term / n_blocks for name, term in terms.items()}

    def _clip_gradients(self, clip_norm: float) -> Terms:
        """Clip the norm of all gradients; return it, and that of each module, before clipping."""
        norms = {f"gradient/{name}": _gradient_norm(child) for name, child in self.network.named_children()}
        return {"gradient": nn.utils.clip_grad_norm_(self.network.parameters(), clip_norm), **norms}

    def _update_weights(self, skipped: Tensor, learning_rate: float) -> None:
        # A fused AdamW skips its update if `found_inf` is 1, without waiting for the GPU.
        self.optimizer.grad_scale, self.optimizer.found_inf = None, skipped.float()  # type: ignore[attr-defined]
        self.learning_rate = learning_rate
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def pop_totals(self) -> tuple[float, int]:
        """Return the mean loss and the number of forecasts since the last call, and reset both."""
        total = self.totals.clone()
        self.group.all_reduce([total])
        self.totals.zero_()
        loss, steps, forecasts = total.tolist()
        return loss / max(steps, 1), round(forecasts)

    def sum_loss_over_days(self, phase: PhaseParams, block: Block, forecast: Tensor) -> Tensor:
        """Return the loss summed over the days of a block, and the number of days (2, horizon)."""
        inputs = self.loss_input_builder(block, forecast)
        days = inputs.count_days()
        return torch.stack([combine_losses_per_horizon(inputs, phase.loss, self.loss_functions) * days, days])


def _gradient_norm(module: nn.Module) -> Tensor:
    gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
    return nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether memory ran out, on a GPU or a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class LossInputBuilder:
    """Builds the inputs of the losses from a block and its forecasts."""

    def __init__(self, network: Atft, metadata: PanelMetadata, params: TrainingParams) -> None:
        if unknown := sorted(set(params.exposures) - {*metadata.features, SECTOR}):
            raise InputError(f"training.exposures: {unknown} are neither features of the dataset nor {SECTOR!r}.")
        sector_names = sorted({name for history in metadata.sectors for _, name in history})
        if SECTOR in params.exposures and not sector_names:
            raise InputError(f"training.exposures names {SECTOR!r}, but the ML dataset has no sectors.")
        device = network.heads.linear.weight.device
        self.network, self.params, self.n_sectors = network, params, len(sector_names)
        self.columns = [metadata.features.index(name) for name in params.exposures if name != SECTOR]
        self.quantile_levels = torch.tensor(network.params.quantiles, device=device)
        self.sector_index: Tensor | None = None
        if SECTOR in params.exposures:
            self.sector_index = make_sector_index(metadata, sector_names).to(device)

    def __call__(self, block: Block, quantiles: Tensor) -> LossInputs:
        """Build the inputs of every day, horizon and stock of a block."""
        returns = block.targets.transpose(1, 2)  # (day, horizon, stock)
        drop_extremes, is_gaussian = self.params.labels.drop_extremes, self.params.labels.transform == "gaussian_rank"
        label, valid = transform_labels(returns, returns.isfinite(), drop_extremes, gaussian=is_gaussian)
        quantiles = quantiles.float().transpose(1, 2)  # (day, horizon, stock, quantile)
        return LossInputs(
            point=self.network.point_forecast(quantiles),
            quantiles=quantiles,
            label=label,
            returns=returns,
            valid=valid,
            is_forecast=block.is_forecast,
            exposures=self.read_exposures(block),
            quantile_levels=self.quantile_levels,
            min_deviation=self.params.scale_floor,
        )

    def read_exposures(self, block: Block) -> Tensor:
        """Read the exposures of the forecasts (day, exposure, stock); NaN where unknown."""
        offset = block.rows.shape[1] * torch.arange(len(block.stock), device=block.rows.device)
        index = block.step_of_day.clamp(min=0) + offset  # (day, stock), into the flattened (stock, step)
        exposures = block.features[..., self.columns].float().flatten(0, 1)[index]  # (day, stock, exposure)
        exposures = exposures.where(block.is_forecast.unsqueeze(-1), torch.nan)
        if self.sector_index is not None:
            sector = self.sector_index[block.day.clamp(min=0)][:, block.stock.clamp(min=0)].long()  # (day, stock)
            one_hot = functional.one_hot(sector.clamp(min=0), self.n_sectors).float()
            exposures = torch.cat([exposures, one_hot.where((sector >= 0).unsqueeze(-1), torch.nan)], -1)
        return exposures.transpose(1, 2)


def make_sector_index(metadata: PanelMetadata, sector_names: list[str]) -> Tensor:
    """Make the table (day, stock) of indices of sectors; −1 where the sector is unknown."""
    index = torch.full((len(metadata.days), len(metadata.codes)), -1, dtype=torch.int16)
    for stock, history in enumerate(metadata.sectors):
        for since, name in history:
            index[bisect_left(metadata.days, since) :, stock] = sector_names.index(name)
    return index
