"""What happens at the loop's events: a log, checkpoints, a stop."""

import json
import logging
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..files import atomic_write, explain_full_disk, read_json_lines
from .checkpoint import Identity, write_checkpoint
from .engine import Callback, Trainer
from .heartbeat import describe_position
from .runs import METRICS
from .telemetry import read_devices, read_memory

LAST, BEST, FINAL, SWA, EPOCHS = "last.pt", "best.pt", "final.pt", "swa.pt", "checkpoints"
_logger = logging.getLogger(__name__)


@dataclass
class MetricsLog(Callback):
    """Writes a line for each step and each epoch; a step's numbers are fetched when its epoch ends.

    Every so many steps the line also has each module's gradient norm. A resumed training first removes the lines that
    were written after its checkpoint, for it writes them again.
    """

    folder: Path
    every: int = 20
    _steps: list[tuple[int, float, dict[str, Tensor]]] = field(default_factory=list)

    def before_fit(self, trainer: Trainer) -> None:
        """Remove the lines of steps and epochs that are still to come, and a last line that was cut off."""
        path = self.folder / METRICS
        if not path.exists():
            return
        kept = [line for line in read_json_lines(path) if not _is_to_come(line, trainer)]
        with atomic_write(path) as partial:
            partial.write_text(_format_lines(kept))

    def after_step(self, trainer: Trainer, days: list[np.ndarray], terms: dict[str, Tensor]) -> None:
        """Keep a step's terms where they are."""
        step = trainer.progress.steps
        kept = {name: term for name, term in terms.items() if "/" not in name or step % self.every == 0}
        self._steps.append((step, trainer.train_step.rate, kept))

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Write the epoch's steps and its scores."""
        lines = self._fetch(trainer)
        lines.append(
            {
                **describe_position(trainer),
                "validation": scores,
                "train": trainer.train_scores,
                "train_loss": trainer.progress.loss,
                **trainer.times,
                "pieces": trainer.train_step.pieces,
                "forecasts_per_second": trainer.forecasts / trainer.times["seconds"],
                **read_memory(trainer.train_step.device),
                **read_devices(trainer.train_step.device),
            }
        )
        self._write(lines)

    def at_stop(self, trainer: Trainer) -> None:
        """Write the steps since the last epoch."""
        self._write(self._fetch(trainer))

    def at_end(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Write how good the average of the last epochs is."""
        if scores:
            self._write([{"seed": trainer.params.seed, "swa": scores}])

    def _fetch(self, trainer: Trainer) -> list[dict[str, object]]:
        steps = [
            {"step": step, "learning_rate": rate, **{name: float(term) for name, term in terms.items()}}
            for step, rate, terms in self._steps
        ]
        self._steps.clear()
        return [{**line, "seed": trainer.params.seed, "phase": trainer.phase.name} for line in steps]

    def _write(self, lines: list[dict[str, object]]) -> None:
        path = self.folder / METRICS
        with explain_full_disk(path), path.open("a") as file:
            file.write(_format_lines(lines))


def _is_to_come(line: dict[str, Any], trainer: Trainer) -> bool:
    """Check whether a line is of a step, an epoch or an end that this seed's training has yet to reach."""
    if line["seed"] != trainer.params.seed:
        return False
    progress = trainer.progress
    return "swa" in line or line.get("step", 0) > progress.steps or line.get("epochs", 0) > len(progress.history)


def _format_lines(lines: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


@dataclass
class Checkpoints(Callback):
    """Writes each epoch's state, the best, the last and the average of the last ones; keeps the newest epochs."""

    folder: Path
    identity: Identity
    keep: int = 3

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Write the epoch down, once, under each name that it has."""
        self.write(trainer, LAST)
        if trainer.progress.best_epoch == len(trainer.progress.history):
            self._link(BEST)
        if self.keep:
            self._link(f"{EPOCHS}/epoch_{len(trainer.progress.history):03d}.pt")
            for old in sorted((self.folder / EPOCHS).glob("epoch_*.pt"))[: -self.keep]:
                old.unlink()

    def at_stop(self, trainer: Trainer) -> None:
        """Write down where it stopped."""
        self.write(trainer, LAST)

    def at_end(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Write the end down."""
        self.write(trainer, FINAL)
        if trainer.progress.best_epoch == len(
            trainer.progress.history
        ):  # the last epoch was, or the average of the last ones is
            self._link(BEST, FINAL)
        if trainer.progress.averaged:
            swa = {"identity": vars(self.identity), "best": trainer.swa.state_dict()}
            write_checkpoint(self.folder / SWA, swa)

    def write(self, trainer: Trainer, name: str) -> None:
        """Write everything, so that any checkpoint can be gone on from."""
        write_checkpoint(self.folder / name, {"identity": vars(self.identity), **trainer.state()})

    def _link(self, name: str, of: str = LAST) -> None:
        """Give a checkpoint another name, in one step."""
        wanted = self.folder / name
        wanted.parent.mkdir(exist_ok=True)
        partial = wanted.with_name(f".{wanted.name}")
        partial.unlink(missing_ok=True)
        partial.hardlink_to(self.folder / of)
        partial.replace(wanted)


class EpochLines(Callback):
    """Log the score of each epoch's averaged weights, and in the end which weights are kept."""

    def after_epoch(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Say it."""
        selection, place = trainer.params.selection, trainer.progress
        trained = f", train {selection.score(trainer.train_scores):.4f}" if trainer.train_scores else ""
        _logger.info(
            "%s %d/%d: validation %s %.4f of the averaged weights (best %.4f%s), scale %.3f, loss %.4f (train %.4f)",
            trainer.phase.name,
            place.epoch,
            trainer.epochs[place.phase],
            selection.label,
            selection.score(scores),
            place.best,
            trained,
            scores["scale"],
            scores["loss"],
            place.loss,
        )
        if trainer.has_given_up and place.epoch < trainer.epochs[place.phase]:
            _logger.info("%s ends early: no new best for %d epochs", trainer.phase.name, place.since_best)
        if isnan(selection.score(scores)):
            _logger.warning(
                "the validation days have no %s: the newest weights are kept until one is defined", selection.label
            )

    def at_end(self, trainer: Trainer, scores: dict[str, float]) -> None:
        """Log the score of the mean of the last epochs' weights, and what is kept."""
        selection, place = trainer.params.selection, trainer.progress
        if scores:
            last = "mean of the weights of the last %d epochs: validation %s %.4f"
            _logger.info(last, place.averaged, selection.label, selection.score(scores))
        _logger.info("kept: %s, validation %s %.4f", place.best_weights, selection.label, place.best)
