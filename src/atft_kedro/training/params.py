"""Parameters of a training: its phases, and how each step computes."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..loss_weights import ExtraLosses, LossWeights
from ..losses import LossFunction
from ..metrics import METRIC_NAMES
from ..network.params import ModuleName
from ..params import InputError, Params, TextList
from .phases import PhaseParams, PlateauParams, Scheduler, distribute_epochs

Positive = Annotated[int, Field(gt=0)]
NotNegative = Annotated[int, Field(ge=0)]

SELECTION_METRICS = ("rank_ic", "ic", "net_sharpe", "hit_rate", "loss")
METRIC = rf"({'|'.join(SELECTION_METRICS)})(_(?P<horizon>[1-9]\d*)d)?"


class LabelParams(Params):
    """Labels of the losses: returns standardised inside each day, or their Gaussian ranks.

    The share ``drop_extremes`` at each end of a day's returns counts in no loss; metrics use all returns.
    """

    transform: Literal["zscore", "gaussian_rank"]
    drop_extremes: Annotated[float, Field(ge=0, lt=0.5)]


class CollapseParams(Params):
    """Limits of the check that ends a training if its forecasts have collapsed.

    They have collapsed after ``epochs`` epochs in a row with a scale below ``scale``. The scale of an epoch is the
    standard deviation of the forecasts divided by that of the labels. With 0 epochs nothing is checked.
    """

    scale: Annotated[float, Field(ge=0)]
    epochs: NotNegative


class SelectionParams(Params):
    """The validation score that chooses the best weights.

    Plateaus, patience and searches use the same score. ``metric`` is ``rank_ic``, ``ic``, ``net_sharpe``,
    ``hit_rate`` or ``loss``, averaged over the horizons, or that of one horizon, as in ``rank_ic_5d``.
    ``horizon_weights`` are the weights of the average; with null a horizon of h days has weight 1/h, because its labels
    overlap: each daily return is in h labels. The net Sharpe ratio pays ``cost_bp`` basis points for each trade.
    """

    metric: Annotated[str, Field(pattern=rf"^{METRIC}$")]
    horizon_weights: dict[int, Annotated[float, Field(ge=0)]] | None
    cost_bp: Annotated[float, Field(ge=0)]

    @model_validator(mode="after")
    def _require_a_weight(self) -> Self:
        if self.horizon_weights is not None and not sum(self.horizon_weights.values()):
            raise ValueError("horizon_weights: no horizon has a positive weight")
        return self

    @property
    def is_loss(self) -> bool:
        """Return whether lower is better."""
        return self.metric.startswith("loss")

    @property
    def no_skill(self) -> float | None:
        """Return the score of forecasts without skill; None for a loss, which has no such score."""
        return None if self.is_loss else 0.5 if self.metric.startswith("hit_rate") else 0.0

    @property
    def horizon(self) -> int | None:
        """Return the horizon that the metric names; None if it averages over the horizons."""
        match = re.fullmatch(METRIC, self.metric)
        assert match is not None
        return int(match["horizon"]) if match["horizon"] else None

    @property
    def label(self) -> str:
        """Return the name of the score; for a loss "negative …", because a higher score is better."""
        name = METRIC_NAMES[self.metric.removesuffix(f"_{self.horizon}d")]
        return f"{'negative ' * self.is_loss}{name}{f' over {self.horizon} d' if self.horizon else ''}"

    def score(self, scores: Mapping[str, float]) -> float:
        """Select the score from an epoch's scores, higher is better; NaN where it is undefined."""
        value = scores[self.metric]
        return -value if self.is_loss else value

    def weigh_horizons(self, horizons: tuple[int, ...]) -> list[float]:
        """Compute the weight of each horizon; refuse horizons that the network does not forecast."""
        unknown = {*(self.horizon_weights or ()), *([self.horizon] if self.horizon else [])} - set(horizons)
        if unknown:
            raise InputError(f"training.selection: the network forecasts no {sorted(unknown)}, only {horizons}.")
        if self.horizon_weights is None:
            return [1 / horizon for horizon in horizons]
        return [self.horizon_weights.get(horizon, 0.0) for horizon in horizons]


class TrainingParams(Params):
    """A training: its phases, and how each step computes.

    ``epochs`` is the total number, distributed over the phases in proportion to their epochs; a phase that gets none is
    skipped; with null each phase keeps its epochs. With ``steps_per_phase`` each phase has one epoch of at most so many
    steps. ``resume`` continues a run, by its name or ``latest``; ``init_from`` starts a new run from the best weights
    of an earlier one; ``refit_of`` trains a finished run again on all days. ``seeds`` is the number of networks of the
    ensemble, which are trained one after the other with the seeds ``seed``, ``seed`` + 1, … ``learning_rate`` sets the
    highest learning rate of all phases and scales the others by the same factor; ``scheduler`` and ``patience`` replace
    those of every phase. ``without`` switches modules off in every phase, to measure what they contribute. ``loss``
    replaces the losses of all phases, ``phase_losses`` those of the phases that it names; ``losses`` adds those of
    plug-ins. ``exposures`` are the features, or ``sector``, of the loss ``exposure``. After each epoch the last
    ``scored_share`` of the train days are scored too, at least 20 and at most as many as there are validation days. A
    block has ``days_per_block`` days or, with ``samples_per_block``, as many days as contain so many samples (stocks
    times days) of the panel.
    """

    losses: ExtraLosses = ExtraLosses()  # the first field, because the others use its names
    phases: Annotated[tuple[PhaseParams, ...], Field(min_length=1)]
    epochs: Positive | None
    steps_per_phase: Positive | None
    learning_rate: Annotated[float, Field(gt=0)] | None
    scheduler: Scheduler | None
    patience: Positive | None
    selection: SelectionParams
    plateau: PlateauParams
    without: Annotated[tuple[ModuleName, ...], TextList]
    loss: LossWeights | None
    phase_losses: dict[str, LossWeights]
    seed: NotNegative
    seeds: Positive
    resume: str | None
    init_from: str | None = None  # the manifests of older runs lack it
    refit_of: str | None = None
    days_per_block: Positive
    samples_per_block: Positive | None
    labels: LabelParams
    accumulate: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    graph_weight_decay: Annotated[float, Field(ge=0)]
    betas: tuple[float, float]
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    swa_share: Annotated[float, Field(ge=0, le=1)]
    exposures: tuple[str, ...]
    scale_floor: Annotated[float, Field(ge=0)]
    precision: Literal["fp32", "bf16"]
    compile: bool
    device: Literal["auto", "cpu", "cuda"]
    threads: Positive | None
    log_every: Positive
    scored_share: Annotated[float, Field(ge=0, lt=1)]
    keep_epochs: NotNegative
    nan_budget: NotNegative
    collapse: CollapseParams
    deterministic: bool
    detect_anomaly: bool

    @property
    def curriculum(self) -> tuple[PhaseParams, ...]:
        """List the phases that are trained, after the values that the training sets for all phases."""
        rate_factor = self.highest_learning_rate / max(phase.learning_rate for phase in self.phases)
        epochs = [1 if self.steps_per_phase else phase.epochs for phase in self.phases]
        return tuple(
            phase.model_copy(
                update={
                    "epochs": phase_epochs,
                    "learning_rate": phase.learning_rate * rate_factor,
                    "modules": tuple(module for module in phase.modules if module not in self.without),
                    "loss": self.phase_losses.get(phase.name) or self.loss or phase.loss,
                    "scheduler": self.scheduler or phase.scheduler,
                    "patience": self.patience or phase.patience,
                }
            )
            for phase, phase_epochs in zip(self.phases, distribute_epochs(epochs, self.epochs), strict=True)
            if phase_epochs
        )

    def load_losses(self) -> dict[str, LossFunction]:
        """Load the losses with a positive weight in any phase."""
        return self.losses.load({name for phase in self.curriculum for name in phase.loss.positive_weights()})

    @property
    def skipped_phases(self) -> list[str]:
        """List the names of the phases that get no epoch."""
        trained = {phase.name for phase in self.curriculum}
        return [phase.name for phase in self.phases if phase.name not in trained]

    @property
    def highest_learning_rate(self) -> float:
        """Return the highest learning rate of all phases."""
        return self.learning_rate or max(phase.learning_rate for phase in self.phases)

    @property
    def all_seeds(self) -> range:
        """List the seeds of the ensemble's members."""
        return range(self.seed, self.seed + self.seeds)

    def member_folder(self, seed: int) -> str:
        """Return the folder of a member's checkpoints, relative to the run folder."""
        return f"seed_{seed}" if self.seeds > 1 else "."

    @model_validator(mode="after")
    def _require_named_phases(self) -> Self:
        names = [phase.name for phase in self.phases]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"several phases are named {', '.join(repeated)}: give each phase a different name")
        unknown = [name for name in self.phase_losses if name not in names]
        if unknown:
            raise ValueError(f"phase_losses names {unknown[0]}, but the phases are {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _require_one_length(self) -> Self:
        if self.epochs and self.steps_per_phase:
            raise ValueError(
                f"epochs ({self.epochs}) and steps_per_phase ({self.steps_per_phase}) are both set, but each of them "
                "sets the length: set one to null, for example with --params training.steps_per_phase=null"
            )
        return self

    @model_validator(mode="after")
    def _require_usable_losses(self) -> Self:
        phases = self.curriculum
        for phase in phases:
            if phase.loss.exposure and not self.exposures:
                raise ValueError(f"phase {phase.name} uses the loss exposure, but exposures is empty")
            if phase.loss.variance_floor and not self.scale_floor:
                raise ValueError(f"phase {phase.name} uses the loss variance_floor, but scale_floor is 0")
        if self.selection.is_loss and any(phase.loss != phases[0].loss for phase in phases):
            raise ValueError(
                f"selection.metric {self.selection.metric} compares epochs of phases with different losses: give all "
                "phases one loss with training.loss"
            )
        return self

    @model_validator(mode="after")
    def _require_eager_anomaly_detection(self) -> Self:
        if self.detect_anomaly and self.compile:
            raise ValueError("detect_anomaly needs compile: false, because compiled code hides the line of the error")
        return self
