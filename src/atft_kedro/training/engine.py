"""The training loop over phases, epochs and steps."""

import copy
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ..network.atft import Atft
from .checkpoint import Tree, get_random_state, set_random_state
from .data import DayLoader
from .debug_mode import debug_mode
from .distributed import ProcessGroup
from .forecasting import Scoring, score_days
from .params import TrainingParams
from .schedule import Progress, Schedule, scheduled_rate, update_patience
from .selection import is_better
from .telemetry import EpochTimer
from .train_step import TrainStep

STOPPED = 75  # exit code: stopped and can be resumed (EX_TEMPFAIL of BSD's sysexits)
MIN_SCORED_DAYS = 20  # of the train days; the scores of fewer days are too noisy

Network = TypeVar("Network", bound=nn.Module)


class Stop(SystemExit):
    """A requested stop, after a whole step and with a checkpoint; its exit code tells scripts."""

    def __init__(self) -> None:
        super().__init__(STOPPED)


class Callback:
    """Methods that the training loop calls at its events; by default they do nothing."""

    def before_fit(self, trainer: "Trainer") -> None:
        """Run before the first step of a new or resumed training."""

    def after_step(self, trainer: "Trainer", days: list[np.ndarray], terms: dict[str, Tensor]) -> bool | None:
        """Run after a step with its days and losses; True requests a stop."""

    def after_epoch(self, trainer: "Trainer", scores: dict[str, float]) -> None:
        """Run after an epoch with its validation scores."""

    def at_stop(self, trainer: "Trainer") -> None:
        """Run when the training stops before its end."""

    def at_end(self, trainer: "Trainer", scores: dict[str, float]) -> None:
        """Run at the end, with the validation scores of the SWA weights if there are any."""

    def close(self) -> None:
        """Release resources, at the end, a stop or an error."""


class Trainer(Schedule):
    """The training loop of one network; files, clocks and trackers are callbacks."""

    def __init__(
        self,
        network: Atft,
        train: DayLoader,
        validation: DayLoader,
        params: TrainingParams,
        callbacks: Sequence[Callback] = (),
        group: ProcessGroup | None = None,
    ) -> None:
        self.network, self.train, self.validation, self.params = network, train, validation, params
        self.callbacks, self.group = callbacks, group or ProcessGroup()
        self.progress = Progress()
        self.ema, self.swa = frozen_copy(network), frozen_copy(network)
        self.best = copy.deepcopy(network.state_dict())
        self.epochs = [phase.epochs for phase in params.curriculum]
        self.loaders = [train.keep_last_days(phase.newest_days or len(train.days)) for phase in params.curriculum]
        steps = [-(-loader.sampler.steps // params.accumulate) for loader in self.loaders]
        self.steps = [min(count, params.steps_per_phase or count) for count in steps]
        self.train_step = TrainStep(network, train.reader, params, self.group)
        self.process_states: list[Tree] = []  # state that differs between processes
        self.timer = EpochTimer(self.train_step.reading)
        self.forecasts, self.times = 0, self.timer.read()  # of the last epoch
        scored = max(round(params.scored_share * len(train.days)), MIN_SCORED_DAYS)
        scored = min(scored, len(validation.days))
        self.scored_train_days = train.keep_last_days(scored) if params.scored_share else None
        self.train_scores: dict[str, float] = {}  # of those days, in the last epoch

    def fit(self) -> None:
        """Train from the current progress to the end of the last phase."""
        if self.progress.steps == 0:
            torch.manual_seed(self.params.seed + self.group.rank)
        with debug_mode(self.network, self.params), ExitStack() as stack:
            for callback in self.callbacks:
                stack.callback(callback.close)
                callback.before_fit(self)
            self.timer.start()
            for phase in range(self.progress.phase, len(self.params.curriculum)):
                self._train_phase(phase)
            scores = self._score_swa() if self.progress.swa_epochs else {}
            for callback in self.callbacks:
                callback.at_end(self, scores)

    def _train_phase(self, phase: int) -> None:
        if self.progress.phase != phase:
            self.progress = replace(
                self.progress, phase=phase, epoch=0, step=0, best_of_phase=None, epochs_since_best=0, rate_factor=1.0
            )
        if self.progress.epoch == 0 and self.progress.step == 0:
            if self.phase.start_from == "best":
                self.network.load_state_dict(self.best)
                self.ema.load_state_dict(self.best)
            self.train_step.reset_optimizer()
        for name, child in self.network.named_children():
            child.requires_grad_(name not in self.phase.freeze)
        while self.progress.epoch < self.epochs[phase] and not self.is_out_of_patience:
            self._train_epoch()
            self._end_epoch()

    def _train_epoch(self) -> None:
        """Train on every train day of the phase once, or for ``steps_per_phase`` steps."""
        self.network.train()
        blocks = list(self.loaders[self.progress.phase].sampler.epoch(self.epochs_before))
        size = self.params.accumulate
        groups = [blocks[start : start + size] for start in range(0, len(blocks), size)]
        groups = groups[: self.steps[self.progress.phase]]
        for step in range(self.progress.step, len(groups)):
            done = (self.progress.epoch + step / len(groups)) / self.epochs[self.progress.phase]
            rate = self.phase.learning_rate * scheduled_rate(self.phase, done) * self.progress.rate_factor
            terms = self.train_step.run(groups[step], self.phase, rate)
            update_average(self.ema, self.network, 1 - ema_decay_at(self.params.ema_decay, self.progress.steps))
            self.progress = replace(self.progress, step=step + 1, steps=self.progress.steps + 1)
            votes = [callback.after_step(self, groups[step], terms) for callback in self.callbacks]
            if self.group.any(True in votes, self.train_step.device):
                self._stop()

    def _stop(self) -> None:
        self.process_states = self.group.all_gather(self._process_state())
        for callback in self.callbacks:
            callback.at_stop(self)
        self.group.all_gather(None)  # no process ends before the first has written
        raise Stop

    def _process_state(self) -> Tree:
        return {"random": get_random_state(), "sums": self.train_step.sums.cpu()}

    def _end_epoch(self) -> None:
        """Score the EMA weights, keep the best weights, and call the callbacks."""
        scores = self.validate(self.ema)
        self.train_scores = self._score(self.ema, self.scored_train_days) if self.scored_train_days else {}
        loss, self.forecasts = self.train_step.read_sums()
        self.times = self.timer.restart()
        is_late = self.epochs_before >= (1 - self.params.swa_share) * sum(self.epochs)
        if is_late:
            update_average(self.swa, self.network, 1 / (1 + self.progress.swa_epochs))
        self.progress = replace(
            self.progress,
            epoch=self.progress.epoch + 1,
            step=0,
            swa_epochs=self.progress.swa_epochs + is_late,
            train_loss=loss,
            history=[*self.progress.history, scores],
        )
        score = self.params.selection.score(scores)
        self._keep_best(self.ema, score, f"averaged weights, epoch {len(self.progress.history)}")
        self.progress = update_patience(self.progress, score, self.phase, self.params.plateau)
        self.process_states = self.group.all_gather(self._process_state())
        for callback in self.callbacks:
            callback.after_epoch(self, scores)

    def _keep_best(self, network: Atft, score: float, weights: str) -> None:
        """Keep weights that are the best of the run, or the newest while no score is defined."""
        if is_better(score, self.progress.best):
            self.best = copy.deepcopy(network.state_dict())
            self.progress = replace(
                self.progress,
                best=score,
                best_epoch=len(self.progress.history),
                best_weights=weights,
                best_modules=list(self.phase.modules),
            )

    def validate(self, network: Atft) -> dict[str, float]:
        """Score a network on the validation days."""
        return self._score(network, self.validation)

    def _score(self, network: Atft, loader: DayLoader) -> dict[str, float]:
        selection, loss = self.params.selection, partial(self.train_step.sum_loss, self.phase)
        scoring = Scoring(selection.weigh_horizons(network.horizons), selection.cost_bp / 10_000, loss)
        blocks, modules = loader.sampler.chronological(), frozenset(self.phase.modules)
        return score_days(network, loader.reader, blocks, modules, scoring, self.group)

    def _score_swa(self) -> dict[str, float]:
        """Score the mean of the last epochs' weights, which may be the best of the run."""
        scores = self.validate(self.swa)
        weights = f"mean of the weights of the last {self.progress.swa_epochs} epochs"
        self._keep_best(self.swa, self.params.selection.score(scores), weights)
        return scores

    def state(self) -> Tree:
        """Collect the state that the rest of the training depends on."""
        return {
            "progress": asdict(self.progress),
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "swa": self.swa.state_dict(),
            "best": self.best,
            "optimizer": self.train_step.optimizer.state_dict(),
            "pieces": self.train_step.pieces,
            "times": self.timer.read(),
            "threads": torch.get_num_threads(),
            "processes": self.process_states or [self._process_state()],
        }

    def resume(self, tree: Tree) -> None:
        """Restore a state."""
        self.progress = Progress(**tree["progress"])
        for name, network in (("network", self.network), ("ema", self.ema), ("swa", self.swa)):
            network.load_state_dict(tree[name])
        self.best = tree["best"]
        self.train_step.optimizer.load_state_dict(tree["optimizer"])
        self.train_step.split_blocks(tree["pieces"])
        self.timer.resume(tree["times"])
        self.process_states = tree["processes"]
        self.group.require_size(len(self.process_states))
        state = self.process_states[self.group.rank]
        self.train_step.sums.copy_(state["sums"])
        set_random_state(state["random"])


def frozen_copy(network: Network) -> Network:
    """Copy a network whose weights need no gradients."""
    return copy.deepcopy(network).requires_grad_(False)


def ema_decay_at(decay: float, step: int) -> float:
    """Compute the decay of the moving average at a step: min(decay, (1 + step) / (10 + step)).

    With a constant decay the average would contain the initial weights for long: 78 % after 50 steps at 0.995.
    """
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, share: float) -> None:
    """Move an average of weights by a share towards a network's weights."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), share)
