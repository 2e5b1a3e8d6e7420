"""Callbacks of the training loop that write metrics, checkpoints and log lines."""

import json
import logging
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..files import atomic_write, explain_full_disk, read_json_lines
from .checkpoint import BEST, EPOCH_FOLDER, FINAL, LAST, SWA, Identity, write_checkpoint
from .engine import Callback, Trainer
from .process_control import describe_position
from .runs import METRICS
from .telemetry import read_devices, read_memory

_logger = logging.getLogger(__name__)


@dataclass
class MetricsLog(Callback):
    """Metrics file with one line for each step, each epoch, and the SWA weights.

    The lines are written at the end of an epoch, when the training is interrupted, and when it finishes. Every
    ``norm_interval`` steps the line of a step also has each module's gradient norm. A resumed training first removes
    the lines that were written after its checkpoint, because it writes them again.
    """

    folder: Path
    norm_interval: int
    _steps: list[tuple[int, float, dict[str, Tensor]]] = field(default_factory=list)

    def before_fit(self, trainer: Trainer) -> None:
        """Remove the lines of steps and epochs after the checkpoint, and a truncated last line."""
        path = self.folder / METRICS
        if not path.exists():
            return
        kept = [line for line in read_json_lines(path) if not _is_after_checkpoint(line, trainer)]
        with atomic_write(path) as partial:
            partial.write_text(_format_lines(kept))

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, Tensor]) -> None:
        """Store a step's losses and gradient norms.

        They stay on their device, because moving them to the CPU would wait for the GPU.
        """
        step = trainer.progress.steps_done
        with_norms = step % self.norm_interval == 0
        kept = {name: term for name, term in terms.items() if with_norms or not _is_module_norm(name)}
        self._steps.append((step, trainer.train_step.learning_rate, kept))

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Write the epoch's steps and its scores."""
        lines = self._pop_steps(trainer)
        lines.append(
            {
                **describe_position(trainer),
                "validation": scores,
                "train": trainer.train_scores,
                "train_loss": trainer.progress.train_loss,
                **trainer.times,
                "pieces": trainer.train_step.pieces_per_block,
                "forecasts_per_second": trainer.n_forecasts / trainer.times["seconds"],
                **read_memory(trainer.train_step.device),
                **read_devices(trainer.train_step.device),
            }
        )
        self._append(lines)

    def on_interrupt(self, trainer: Trainer) -> None:
        """Write the steps since the last epoch."""
        self._append(self._pop_steps(trainer))

    def after_fit(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Write the scores of the SWA weights."""
        if scores:
            self._append([{"seed": trainer.params.seed, "swa": scores}])

    def _pop_steps(self, trainer: Trainer) -> list[dict[str, object]]:
        position = {"seed": trainer.params.seed, "phase": trainer.phase.name}
        lines: list[dict[str, object]] = [
            {"step": step, "learning_rate": rate, **{name: float(term) for name, term in terms.items()}, **position}
            for step, rate, terms in self._steps
        ]
        self._steps.clear()
        return lines

    def _append(self, lines: list[dict[str, object]]) -> None:
        path = self.folder / METRICS
        with explain_full_disk(path), path.open("a") as file:
            file.write(_format_lines(lines))


def _is_module_norm(name: str) -> bool:
    """Return whether a term is the gradient norm of a module, such as ``gradient/heads``."""
    return "/" in name


def _is_after_checkpoint(line: dict[str, Any], trainer: Trainer) -> bool:
    """Return whether a line of this seed is of SWA, or of a step or epoch after the checkpoint."""
    if line["seed"] != trainer.params.seed:
        return False
    progress, total_epochs = trainer.progress, line.get("epochs", 0)
    return "swa" in line or line.get("step", 0) > progress.steps_done or total_epochs > len(progress.history)


def _format_lines(lines: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


@dataclass
class Checkpoints(Callback):
    """Checkpoints of a training.

    ``last.pt`` is the newest state, to resume from; ``best.pt`` is the state after the epoch of the best score;
    ``final.pt`` is the state at the end of the training. The folder ``checkpoints`` has the states after the newest
    ``keep`` epochs, and ``swa.pt`` has the SWA weights.
    """

    folder: Path
    identity: Identity
    keep: int  # number of newest epochs whose checkpoints are kept; 0: none

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Write ``last.pt``, and add hard links for the best checkpoint and for that of the epoch."""
        self.write(trainer, LAST)
        self._link_best(trainer)
        if self.keep:
            self._link(f"{EPOCH_FOLDER}/epoch_{len(trainer.progress.history):03d}.pt")
            for old in sorted((self.folder / EPOCH_FOLDER).glob("epoch_*.pt"))[: -self.keep]:
                old.unlink()

    def on_interrupt(self, trainer: Trainer) -> None:
        """Write the state to resume from."""
        self.write(trainer, LAST)

    def after_fit(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Write the final state and the SWA weights."""
        self.write(trainer, FINAL)
        self._link_best(trainer, FINAL)  # the SWA weights may be the best
        if trainer.progress.swa_epochs:
            weights = {"best": trainer.swa.state_dict()}  # the key whose weights a network is loaded from
            write_checkpoint(self.folder / SWA, {"identity": vars(self.identity), **weights})

    def write(self, trainer: Trainer, name: str) -> None:
        """Write the whole state: a training can resume from any checkpoint but ``swa.pt``."""
        write_checkpoint(self.folder / name, {"identity": vars(self.identity), **trainer.state()})

    def _link_best(self, trainer: Trainer, source: str = LAST) -> None:
        """Link a checkpoint as the best one if the newest epoch has the best score so far."""
        if trainer.progress.best_epoch == len(trainer.progress.history):
            self._link(BEST, source)

    def _link(self, name: str, source: str = LAST) -> None:
        """Create a hard link to a checkpoint, atomically."""
        target = self.folder / name
        target.parent.mkdir(exist_ok=True)
        partial = target.with_name(f".{target.name}")
        partial.unlink(missing_ok=True)
        partial.hardlink_to(self.folder / source)
        partial.replace(target)


class EpochLog(Callback):
    """Log lines with each epoch's scores and, at the end, the best weights."""

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Log the scores of the epoch's EMA weights."""
        selection, progress = trainer.params.selection, trainer.progress
        train = f", train {selection.score(trainer.train_scores):.4f}" if trainer.train_scores else ""
        _logger.info(
            "%s %d/%d: validation %s %.4f of the EMA weights (best %.4f%s), forecast/label standard deviation %.3f, "
            "loss %.4f (train %.4f)",
            trainer.phase.name,
            progress.epoch,
            trainer.epochs_per_phase[progress.phase],
            selection.label,
            selection.score(scores),
            progress.best,
            train,
            scores["scale"],
            scores["loss"],
            progress.train_loss,
        )
        if trainer.has_ended_early and progress.epoch < trainer.epochs_per_phase[progress.phase]:
            _logger.info("%s ends early: no new best for %d epochs", trainer.phase.name, progress.epochs_since_best)
        if isnan(selection.score(scores)):
            no_score_yet = progress.best is None or isnan(progress.best)
            consequence = "the newest weights count as the best" if no_score_yet else "the best weights do not change"
            _logger.warning("the validation %s of this epoch is undefined: %s", selection.label, consequence)

    def after_fit(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Log the score of the SWA weights, and which weights are the best."""
        selection, progress = trainer.params.selection, trainer.progress
        if scores:
            message = "SWA weights (mean of the last %d epochs): validation %s %.4f"
            _logger.info(message, progress.swa_epochs, selection.label, selection.score(scores))
        _logger.info("best weights: %s, validation %s %.4f", progress.best_weights, selection.label, progress.best)
