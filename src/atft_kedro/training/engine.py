"""The training loop: phases, epochs, steps; what happens at its events lives in callbacks."""

import copy
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..network.atft import Atft
from .checkpoint import Tree, get_random, set_random
from .data import DayLoader
from .debug_mode import suspicion
from .distributed import ProcessGroup
from .forecasting import Scoring, score_days
from .params import TrainingParams
from .schedule import Progress, Schedule, follow_phase, rate_at
from .selection import is_better
from .telemetry import EpochTimer
from .train_step import TrainStep, ema_decay_at, follow, frozen_copy

STOPPED = 75  # exit code: not done, to be gone on with (EX_TEMPFAIL of BSD's sysexits)
FEWEST_SCORED = 20  # train days, for fewer say nothing


class Stop(SystemExit):
    """Somebody asked for an end; it came after a whole step, with a checkpoint. Its own code tells scripts so."""

    def __init__(self) -> None:
        super().__init__(STOPPED)


class Callback:
    """What happens at the loop's events; each does something at some of them."""

    def before_fit(self, trainer: "Trainer") -> None:
        """See the training before its first step, or before the first one after it was resumed."""

    def after_step(self, trainer: "Trainer", days: list[np.ndarray], terms: dict[str, Tensor]) -> bool | None:
        """See a step's days and terms; True asks for a stop."""

    def after_epoch(self, trainer: "Trainer", scores: dict[str, float]) -> None:
        """See an epoch's scores."""

    def at_stop(self, trainer: "Trainer") -> None:
        """See the training stop before its end."""

    def at_end(self, trainer: "Trainer", scores: dict[str, float]) -> None:
        """See the training end, and the scores of the last epochs' average where there is one."""

    def close(self) -> None:
        """Tidy up, however the training ended."""


class Trainer(Schedule):
    """One network in training: the loop, and nothing of files, clocks or trackers."""

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
        self.average, self.swa = frozen_copy(network), frozen_copy(network)
        self.best = copy.deepcopy(network.state_dict())
        self.epochs = [phase.epochs for phase in params.curriculum]
        self.loaders = [train.keep_last_days(phase.newest_days or len(train.days)) for phase in params.curriculum]
        self.steps = [self._count_steps(loader) for loader in self.loaders]  # of an epoch, by phase
        self.train_step = TrainStep(network, train.reader, params, self.group)
        self.own: list[Tree] = []  # what only each process knows
        self.timer = EpochTimer(self.train_step.reading)
        self.forecasts, self.times = 0, self.timer.read()  # made while training in the last epoch; its seconds
        scored = max(round(params.scored_share * len(train.days)), FEWEST_SCORED)
        self.train_end = train.keep_last_days(min(scored, len(validation.days))) if params.scored_share else None
        self.train_scores: dict[str, float] = {}  # of those days, in the last epoch

    def _count_steps(self, loader: DayLoader) -> int:
        """Count the steps of an epoch."""
        steps = -(-loader.sampler.steps // self.params.accumulate)
        return min(steps, self.params.steps_per_phase or steps)

    def fit(self) -> None:
        """Train from where the progress stands to the end of the last phase."""
        if self.progress.steps == 0:
            torch.manual_seed(self.params.seed + self.group.rank)
        with suspicion(self.network, self.params), ExitStack() as stack:
            for callback in self.callbacks:
                stack.callback(callback.close)
                callback.before_fit(self)
            self.timer.start()
            self._train_phases()
            scores = self._judge_average() if self.progress.averaged else {}
            for callback in self.callbacks:
                callback.at_end(self, scores)

    def _train_phases(self) -> None:
        """Go through what is left of the phases."""
        for place in range(self.progress.phase, len(self.params.curriculum)):
            if self.progress.phase != place:
                self.progress = replace(
                    self.progress, phase=place, epoch=0, step=0, best_of_phase=None, since_best=0, rate=1.0
                )
            self._enter()
            while self.progress.epoch < self.epochs[place] and not self.has_given_up:
                self._train_epoch()
                self._end_epoch()

    def _enter(self) -> None:
        """Set up a phase: what it starts from, and what stays frozen."""
        if self.progress.epoch == 0 and self.progress.step == 0:
            if self.phase.start_from == "best":
                self.network.load_state_dict(self.best)
                self.average.load_state_dict(self.best)
            self.train_step.begin()
        for name, child in self.network.named_children():
            child.requires_grad_(name not in self.phase.freeze)

    def _train_epoch(self) -> None:
        """Train on every train day of the phase once, or for as many steps as a phase may take."""
        self.network.train()
        blocks = list(self.loaders[self.progress.phase].sampler.epoch(self.epochs_begun))
        size = self.params.accumulate
        groups = [blocks[start : start + size] for start in range(0, len(blocks), size)]
        groups = groups[: self.steps[self.progress.phase]]
        for step in range(self.progress.step, len(groups)):
            share = (self.progress.epoch + step / len(groups)) / self.epochs[self.progress.phase]
            rate = self.phase.learning_rate * rate_at(self.phase, share) * self.progress.rate
            terms = self.train_step.learn(groups[step], self.phase, rate)
            follow(self.average, self.network, 1 - ema_decay_at(self.params.ema_decay, self.progress.steps))
            self.progress = replace(self.progress, step=step + 1, steps=self.progress.steps + 1)
            votes = [callback.after_step(self, groups[step], terms) for callback in self.callbacks]
            if self.group.any(True in votes, self.train_step.device):
                self._stop()

    def _stop(self) -> None:
        self.own = self.group.all_gather(self._own())
        for callback in self.callbacks:
            callback.at_stop(self)
        self.group.all_gather(None)  # nobody leaves before the first has written
        raise Stop

    def _own(self) -> Tree:
        return {"random": get_random(), "sums": self.train_step.sums.cpu()}

    def _end_epoch(self) -> None:
        """Validate the average, remember the best, and tell."""
        scores = self.validate(self.average)
        self.train_scores = self._score(self.average, self.train_end) if self.train_end else {}
        loss, self.forecasts = self.train_step.read_sums()
        self.times = self.timer.take()
        averaged = self.progress.averaged + self._average_epoch()
        self.progress = replace(
            self.progress,
            epoch=self.progress.epoch + 1,
            step=0,
            averaged=averaged,
            loss=loss,
            history=[*self.progress.history, scores],
        )
        score = self.params.selection.score(scores)
        self._keep_best(self.average, score, f"averaged weights, epoch {len(self.progress.history)}")
        self.progress = follow_phase(self.progress, score, self.phase, self.params.plateau)
        self.own = self.group.all_gather(self._own())
        for callback in self.callbacks:
            callback.after_epoch(self, scores)

    def _keep_best(self, network: Atft, score: float, weights: str) -> None:
        """Remember weights that are the run's best; while no score is defined, the newest are."""
        if is_better(score, self.progress.best):
            self.best = copy.deepcopy(network.state_dict())
            epochs, modules = len(self.progress.history), list(self.phase.modules)
            self.progress = replace(self.progress, best=score, best_epoch=epochs, best_weights=weights, modules=modules)

    def validate(self, network: Atft) -> dict[str, float]:
        """Score some weights on the validation days."""
        return self._score(network, self.validation)

    def _score(self, network: Atft, loader: DayLoader) -> dict[str, float]:
        selection, modules = self.params.selection, frozenset(self.phase.modules)
        weights, loss = selection.weigh_horizons(network.horizons), partial(self.train_step.sum_loss, self.phase)
        scoring = Scoring(weights, selection.cost_bp / 10_000, loss)
        return score_days(network, loader.reader, loader.sampler.chronological(), modules, scoring, self.group)

    def _judge_average(self) -> dict[str, float]:
        """Validate the average of the last epochs; it may be the best of all."""
        scores = self.validate(self.swa)
        name = f"mean of the weights of the last {self.progress.averaged} epochs"
        self._keep_best(self.swa, self.params.selection.score(scores), name)
        return scores

    def _average_epoch(self) -> bool:
        """Put the last epochs' weights into their average."""
        is_late = self.epochs_begun >= (1 - self.params.swa_share) * sum(self.epochs)
        if is_late:
            follow(self.swa, self.network, 1 / (1 + self.progress.averaged))
        return is_late

    @property
    def is_done(self) -> bool:
        """Return whether the last phase has ended, at its last epoch or early."""
        is_last = self.progress.phase == len(self.epochs) - 1
        return is_last and (self.progress.epoch >= self.epochs[-1] or self.has_given_up)

    @property
    def has_given_up(self) -> bool:
        """Return whether the phase has had no new best for `patience` epochs."""
        return self.phase.patience is not None and self.progress.since_best >= self.phase.patience

    def state(self) -> Tree:
        """Write down all that the rest of the training depends on."""
        return {
            "progress": asdict(self.progress),
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "swa": self.swa.state_dict(),
            "best": self.best,
            "optimizer": self.train_step.optimizer.state_dict(),
            "pieces": self.train_step.pieces,
            "times": self.timer.read(),
            "threads": torch.get_num_threads(),
            "own": self.own or [self._own()],
        }

    def resume(self, tree: Tree) -> None:
        """Go on from where a state was written down."""
        self.progress = Progress(**tree["progress"])
        for name, network in (("network", self.network), ("average", self.average), ("swa", self.swa)):
            network.load_state_dict(tree[name])
        self.best = tree["best"]
        self.train_step.optimizer.load_state_dict(tree["optimizer"])
        self.train_step.cut(tree["pieces"])
        self.timer.resume(tree["times"])
        self.group.require_size(len(tree["own"]))
        self.own = tree["own"]
        own = tree["own"][self.group.rank]
        self.train_step.sums.copy_(own["sums"])
        set_random(own["random"])
