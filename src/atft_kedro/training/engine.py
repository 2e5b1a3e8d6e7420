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
from .checkpoint import State, get_random_state, set_random_state
from .data import DayLoader
from .distributed import TrainingProcesses
from .forecasting import Scoring, score_days
from .params import TrainingParams
from .phases import Progress, Schedule, is_better, learning_rate_factor, start_phase, update_after_epoch
from .telemetry import EpochTimer
from .train_step import TrainStep

STOPPED = 75  # exit code of a training that was stopped and can be resumed (EX_TEMPFAIL of BSD's sysexits)
MIN_SCORED_DAYS = 20  # fewest train days to score; the scores of fewer days are too noisy

Network = TypeVar("Network", bound=nn.Module)


class Stop(SystemExit):
    """The exit after a requested stop: the step is complete and a checkpoint is written."""

    def __init__(self) -> None:
        super().__init__(STOPPED)


class Callback:
    """Base of callbacks: the training loop calls these methods, which do nothing by default."""

    def before_fit(self, trainer: "Trainer") -> None:
        """Run before the first step of a new or resumed training."""

    def after_step(self, trainer: "Trainer", days: list[np.ndarray], terms: dict[str, Tensor]) -> bool | None:
        """Run after a step with its days, losses and gradient norms; True requests a stop."""

    def after_epoch(self, trainer: "Trainer", scores: dict[str, float]) -> None:
        """Run after an epoch with its validation scores."""

    def on_interrupt(self, trainer: "Trainer") -> None:
        """Run when the training stops before its end."""

    def after_fit(self, trainer: "Trainer", scores: dict[str, float]) -> None:
        """Run at the end, with the validation scores of the SWA weights if there are any."""

    def close(self) -> None:
        """Release resources, at the end, a stop or an error."""


class Trainer(Schedule):
    """The training loop of one network; callbacks write files and log lines."""

    def __init__(
        self,
        network: Atft,
        train: DayLoader,
        validation: DayLoader,
        params: TrainingParams,
        callbacks: Sequence[Callback] = (),
        group: TrainingProcesses | None = None,
    ) -> None:
        self.network, self.train, self.validation, self.params = network, train, validation, params
        self.callbacks, self.group = callbacks, group or TrainingProcesses()
        self.progress = Progress()
        self.ema, self.swa = frozen_copy(network), frozen_copy(network)
        self.best = copy.deepcopy(network.state_dict())
        self.phases = params.curriculum
        self.epochs_per_phase = [phase.epochs for phase in self.phases]
        self.loaders = [train.keep_last_days(phase.newest_days or len(train.days)) for phase in self.phases]
        all_steps = [-(-loader.sampler.steps // params.accumulate) for loader in self.loaders]
        self.steps_per_epoch = [min(steps, params.steps_per_phase or steps) for steps in all_steps]
        self.train_step = TrainStep(network, train.reader, params, self.group)
        self.process_states: list[State] = []  # state that differs between processes
        self.timer = EpochTimer(self.train_step.read_stopwatch)
        self.n_forecasts, self.times = 0, self.timer.read()  # of the last epoch
        n_scored = max(round(params.scored_share * len(train.days)), MIN_SCORED_DAYS)
        n_scored = min(n_scored, len(validation.days))
        self.scored_train_days = train.keep_last_days(n_scored) if params.scored_share else None
        self.train_scores: dict[str, float] = {}  # scores of `scored_train_days` after the last epoch

    def fit(self) -> None:
        """Train from the current progress to the end of the last phase."""
        if self.progress.steps_done == 0:
            torch.manual_seed(self.params.seed + self.group.rank)
        with ExitStack() as stack:
            for callback in self.callbacks:
                stack.callback(callback.close)
                callback.before_fit(self)
            self.timer.start()
            for phase in range(self.progress.phase, len(self.phases)):
                self._train_phase(phase)
            scores = self._score_swa() if self.progress.swa_epochs else {}
            for callback in self.callbacks:
                callback.after_fit(self, scores)

    def _train_phase(self, phase: int) -> None:
        if self.progress.phase != phase:
            self.progress = start_phase(self.progress, phase)
        if self.progress.epoch == 0 and self.progress.step_of_epoch == 0:
            if self.phase.start_from == "best":
                self.network.load_state_dict(self.best)
                self.ema.load_state_dict(self.best)
            self.train_step.reset_optimizer()
        for name, child in self.network.named_children():
            child.requires_grad_(name not in self.phase.freeze)
        while self.progress.epoch < self.epochs_per_phase[phase] and not self.has_ended_early:
            self._train_epoch()
            self._end_epoch()

    def _train_epoch(self) -> None:
        """Train on every train day of the phase once, or for ``steps_per_phase`` steps."""
        self.network.train()
        blocks = list(self.loaders[self.progress.phase].sampler.epoch(self.planned_epochs_done))
        size = self.params.accumulate
        groups = [blocks[start : start + size] for start in range(0, len(blocks), size)]
        groups = groups[: self.steps_per_epoch[self.progress.phase]]
        for step in range(self.progress.step_of_epoch, len(groups)):
            share_done = (self.progress.epoch + step / len(groups)) / self.epochs_per_phase[self.progress.phase]
            factor = learning_rate_factor(self.phase, share_done)
            rate = self.phase.learning_rate * factor * self.progress.rate_factor
            terms = self.train_step.run(groups[step], self.phase, rate)
            update_average(self.ema, self.network, 1 - ema_decay_at(self.params.ema_decay, self.progress.steps_done))
            self.progress = replace(self.progress, step_of_epoch=step + 1, steps_done=self.progress.steps_done + 1)
            stop_requests = [callback.after_step(self, groups[step], terms) for callback in self.callbacks]
            if self.group.any_true(True in stop_requests, self.train_step.device):
                self._stop()

    def _stop(self) -> None:
        self.process_states = self.group.all_gather(self._process_state())
        for callback in self.callbacks:
            callback.on_interrupt(self)
        self.group.all_gather(None)  # waits until the first process has written the checkpoint
        raise Stop

    def _process_state(self) -> State:
        return {"random": get_random_state(), "totals": self.train_step.totals.cpu()}

    def _end_epoch(self) -> None:
        """Score the EMA weights, update progress and best weights, and call the callbacks."""
        scores = self.validate(self.ema)
        self.train_scores = self._score(self.ema, self.scored_train_days) if self.scored_train_days else {}
        loss, self.n_forecasts = self.train_step.pop_totals()
        self.times = self.timer.restart()
        is_in_swa = self.planned_epochs_done >= (1 - self.params.swa_share) * sum(self.epochs_per_phase)
        if is_in_swa:
            update_average(self.swa, self.network, 1 / (1 + self.progress.swa_epochs))
        self.progress = replace(
            self.progress,
            epoch=self.progress.epoch + 1,
            step_of_epoch=0,
            swa_epochs=self.progress.swa_epochs + is_in_swa,
            train_loss=loss,
            history=[*self.progress.history, scores],
        )
        score = self.params.selection.score(scores)
        self._keep_best(self.ema, score, f"EMA weights, epoch {len(self.progress.history)}")
        self.progress = update_after_epoch(self.progress, score, self.phase, self.params.plateau)
        self.process_states = self.group.all_gather(self._process_state())
        for callback in self.callbacks:
            callback.after_epoch(self, scores)

    def _keep_best(self, network: Atft, score: float, weights: str) -> None:
        """Store weights that are the best so far, or the newest while no score is defined."""
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
        selection, loss = self.params.selection, partial(self.train_step.sum_loss_over_days, self.phase)
        scoring = Scoring(selection.weigh_horizons(network.horizons), selection.cost_bp / 10_000, loss)
        blocks, modules = loader.sampler.chronological(), frozenset(self.phase.modules)
        return score_days(network, loader.reader, blocks, modules, scoring, self.group)

    def _score_swa(self) -> dict[str, float]:
        """Score the mean of the last epochs' weights, which may be the best of the run."""
        scores = self.validate(self.swa)
        weights = f"SWA weights, mean of the last {self.progress.swa_epochs} epochs"
        self._keep_best(self.swa, self.params.selection.score(scores), weights)
        return scores

    def state(self) -> State:
        """Collect the state of the training that a checkpoint stores."""
        return {
            "progress": asdict(self.progress),
            "network": self.network.state_dict(),
            "ema": self.ema.state_dict(),
            "swa": self.swa.state_dict(),
            "best": self.best,
            "optimizer": self.train_step.optimizer.state_dict(),
            "pieces_per_block": self.train_step.pieces_per_block,
            "times": self.timer.read(),
            "threads": torch.get_num_threads(),
            "processes": self.process_states or [self._process_state()],
        }

    def resume(self, checkpoint: State) -> None:
        """Restore the state that a checkpoint stores."""
        self.progress = Progress(**checkpoint["progress"])
        for name, network in (("network", self.network), ("ema", self.ema), ("swa", self.swa)):
            network.load_state_dict(checkpoint[name])
        self.best = checkpoint["best"]
        self.train_step.optimizer.load_state_dict(checkpoint["optimizer"])
        self.train_step.split_blocks(checkpoint["pieces_per_block"])
        self.timer.resume(checkpoint["times"])
        self.process_states = checkpoint["processes"]
        self.group.require_size(len(self.process_states))
        state = self.process_states[self.group.rank]
        self.train_step.totals.copy_(state["totals"])
        set_random_state(state["random"])


def frozen_copy(network: Network) -> Network:
    """Copy a network; the weights of the copy need no gradients."""
    return copy.deepcopy(network).requires_grad_(False)


def ema_decay_at(decay: float, step: int) -> float:
    """Compute the decay of the moving average at a step: min(decay, (1 + step) / (10 + step)).

    With a constant decay the initial weights would dominate the average for long: at 0.995 they would still have a
    weight of 78 % after 50 steps.
    """
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, share: float) -> None:
    """Compute (1 − share) · average + share · network in place, for every weight."""
    torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), share)
