"""The training loop: phases, epochs, steps; what happens at its events lives in callbacks."""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from ..losses import Question, combine, transform_labels
from ..network.atft import Atft
from ..network.sizes import Part
from ..panel.blocks import Block, BlockReader
from ..panel.sampler import BlockSampler
from .forecasting import forecast_days, score
from .mode import TrainingParams
from .phases import PhaseParams, rate_at, share_epochs
from .state import Progress, Tree
from .suspicion import suspicion


@dataclass(frozen=True)
class Course:
    """The days to train or to validate on, in their order."""

    reader: BlockReader
    sampler: BlockSampler


class Stop(Exception):
    """A callback ends the training after a whole step."""


class Callback(Protocol):
    """What happens at the loop's events."""

    def after_step(self, trainer: "Trainer", terms: dict[str, Tensor]) -> None:
        """See a step's terms."""

    def after_epoch(self, trainer: "Trainer", scores: dict[str, float]) -> None:
        """See an epoch's scores."""


class Trainer:
    """One network in training: the loop, and nothing of files, clocks or trackers."""

    def __init__(
        self,
        network: Atft,
        train: Course,
        validation: Course,
        params: TrainingParams,
        callbacks: Sequence[Callback] = (),
    ) -> None:
        self.network, self.train, self.validation, self.params = network, train, validation, params
        self.callbacks = callbacks
        self.progress = Progress()
        self.average = copy.deepcopy(network).requires_grad_(False)
        self.best = copy.deepcopy(network.state_dict())
        self.epochs = share_epochs(params.phases, params.epochs)
        self.optimizer = self._make_optimizer()

    @property
    def total_steps(self) -> int:
        """Count the steps of all phases, none stopped early."""
        return sum(self.epochs) * -(-self.train.sampler.steps // self.params.accumulate)

    def fit(self) -> None:
        """Train from where the progress stands to the end of the last phase."""
        if self.progress.steps == 0:
            torch.manual_seed(self.params.seed)
        with suspicion(self.network, self.params):
            for place in range(self.progress.phase, len(self.params.phases)):
                if self.progress.phase != place:
                    self.progress = replace(self.progress, phase=place, epoch=0, step=0, since_best=0, rate=1.0)
                phase = self.params.phases[place]
                self._enter(phase)
                while self.progress.epoch < self.epochs[place] and not self._has_given_up(phase):
                    self._train_epoch(phase)
                    self._end_epoch(phase)

    def _enter(self, phase: PhaseParams) -> None:
        """Set up a phase: what it starts from, and what stays frozen."""
        fresh = self.progress.epoch == 0 and self.progress.step == 0
        if fresh and phase.start_from == "best":
            self.network.load_state_dict(self.best)
            self.average.load_state_dict(self.best)
        if fresh:
            self.optimizer = self._make_optimizer()
        for name, child in self.network.named_children():
            child.requires_grad_(name not in phase.freeze)

    def _train_epoch(self, phase: PhaseParams) -> None:
        """See every train day once."""
        self.network.train()
        sampler, parts = self.train.sampler, frozenset(phase.parts)
        total = -(-sampler.steps // self.params.accumulate)
        done_epochs = sum(self.epochs[: self.progress.phase]) + self.progress.epoch
        for step, blocks in enumerate(self._group(sampler, done_epochs)):
            if step < self.progress.step:
                continue
            share = (self.progress.epoch + step / total) / self.epochs[self.progress.phase]
            for group in self.optimizer.param_groups:
                group["lr"] = phase.learning_rate * rate_at(phase, share) * self.progress.rate
            terms = self._step(blocks, phase, parts)
            self.progress = replace(self.progress, step=step + 1, steps=self.progress.steps + 1)
            for callback in self.callbacks:
                callback.after_step(self, terms)

    def _group(self, sampler: BlockSampler, epoch: int) -> Iterator[list[Block]]:
        """Read the blocks of each optimizer step."""
        days = list(sampler.epoch(epoch))
        for start in range(0, len(days), self.params.accumulate):
            yield [self.train.reader.read(each) for each in days[start : start + self.params.accumulate]]

    def _step(self, blocks: list[Block], phase: PhaseParams, parts: frozenset[Part]) -> dict[str, Tensor]:
        """Learn from some blocks at once."""
        told: dict[str, Tensor] = {}
        for block in blocks:
            with torch.autocast(block.features.device.type, torch.bfloat16, enabled=self.params.precision == "bf16"):
                forecast = self.network(block, parts)
            terms = combine(self.ask(block, forecast), phase.loss, self._horizon_weights(phase, forecast))
            (terms["loss"] / len(blocks)).backward()
            told = {name: told.get(name, 0) + term.detach() / len(blocks) for name, term in terms.items()}
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), phase.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self._follow()
        return told | {"gradient": norm}

    def ask(self, block: Block, forecast: Tensor) -> Question:
        """Put a block's forecasts beside what they should be."""
        returns = block.targets.transpose(1, 2)  # (day, horizon, stock)
        gaussian = self.params.labels.transform == "gaussian_rank"
        label, valid = transform_labels(
            returns, returns.isfinite(), self.params.labels.drop_extremes, gaussian=gaussian
        )
        quantiles = forecast.float().transpose(1, 2)
        return Question(
            point=self.network.point(quantiles),
            quantiles=quantiles,
            label=label,
            returns=returns,
            valid=valid,
            exposures=label[:, :0],
            levels=torch.tensor(self.network.params.quantiles, device=label.device),
            floor=self.params.scale_floor,
        )

    def _horizon_weights(self, phase: PhaseParams, like: Tensor) -> Tensor:
        return torch.tensor(phase.weigh_horizons(self.network.horizons), device=like.device)

    def _follow(self) -> None:
        """Let the average follow the weights."""
        with torch.no_grad():
            mine: list[Tensor] = list(self.average.parameters())
            others: list[Tensor] = list(self.network.parameters())
            torch._foreach_lerp_(mine, others, 1 - self.params.average)

    def _end_epoch(self, phase: PhaseParams) -> None:
        """Validate the average, remember the best, and tell."""
        said = forecast_days(self.average, self.validation.reader, self.validation.sampler, frozenset(phase.parts))
        scores = score(said, self.average)
        is_best = scores["rank_ic"] > self.progress.best
        if is_best:
            self.best = copy.deepcopy(self.average.state_dict())
        since = 0 if is_best else self.progress.since_best + 1
        lowered = phase.scheduler == "plateau" and since > 0 and since % 2 == 0
        self.progress = replace(
            self.progress,
            epoch=self.progress.epoch + 1,
            step=0,
            best=max(scores["rank_ic"], self.progress.best),
            since_best=since,
            rate=self.progress.rate * (0.5 if lowered else 1.0),
            history=[*self.progress.history, scores],
        )
        for callback in self.callbacks:
            callback.after_epoch(self, scores)

    def _has_given_up(self, phase: PhaseParams) -> bool:
        return phase.patience is not None and self.progress.since_best >= phase.patience

    def _make_optimizer(self) -> torch.optim.AdamW:
        """Decay matrices only."""
        matrices = [weight for weight in self.network.parameters() if weight.ndim > 1]
        others = [weight for weight in self.network.parameters() if weight.ndim <= 1]
        groups = [
            {"params": matrices, "weight_decay": self.params.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=1e-3, betas=self.params.betas, fused=True)

    def state(self) -> Tree:
        """Write down all that the rest of the training depends on."""
        return {
            "progress": asdict(self.progress),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "random": torch.get_rng_state(),
        }

    def resume(self, tree: Tree) -> None:
        """Go on from where a state was written down."""
        self.progress = Progress(**tree["progress"])
        self.network.load_state_dict(tree["network"])
        self.average.load_state_dict(tree["average"])
        self.best = tree["best"]
        self.optimizer.load_state_dict(tree["optimizer"])
        torch.set_rng_state(tree["random"])
