"""How training computes: how long, in which precision, and how suspiciously."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from ..losses import LossWeights
from ..network.params import ModuleName
from ..params import Params
from .phases import DEFAULT_PHASES, PhaseParams, PlateauParams, Scheduler, share_epochs
from .selection import SelectionParams


class LabelParams(Params):
    """What the losses aim at: returns standardised inside each day, or their Gaussian ranks.

    The most extreme share on either side of a day counts in no loss; it is never dropped from anything else.
    """

    transform: Literal["zscore", "gaussian_rank"] = "gaussian_rank"
    drop_extremes: Annotated[float, Field(ge=0, lt=0.5)] = 0.0


class CollapseParams(Params):
    """When forecasts have collapsed: their scale is below ``scale`` for so many epochs in a row; 0 epochs: never."""

    scale: Annotated[float, Field(ge=0)] = 1e-3
    epochs: Annotated[int, Field(ge=0)] = 3


def _split_text(value: object) -> object:
    """Accept ``"gat fan"`` and nothing, for no list can be given with ``--params``."""
    return (value or "").split() if isinstance(value, str | None) else value


class TrainingParams(Params):
    """A training: its phases, and how each step computes.

    ``epochs`` in all are shared by the phases in proportion, the longest first, and phases that get none are left out;
    null leaves each phase its own. ``steps_per_phase`` trains every phase for one epoch of so many steps at most.
    ``resume`` goes on in a run, by its name or ``latest``. ``seeds`` networks are trained one after the other, from
    ``seed`` on. ``exposures`` are features, or ``sector``, for the loss of that name. ``learning_rate`` is that of the
    fastest phase, the others' in proportion; ``scheduler`` and ``patience`` are those of every phase.
    To learn what a part is worth, ``without`` switches it off in every phase. ``loss`` takes the place of all phases'
    losses, ``phase_losses`` of one phase's, by its name. After each epoch the last train days, a ``scored_share`` of
    them and no more than validate, are scored as the validation days are. A block has ``days_per_block`` days or, with
    ``samples_per_block``, as many as hold so many samples (stocks times days) of this panel.
    """

    phases: Annotated[tuple[PhaseParams, ...], Field(min_length=1)] = DEFAULT_PHASES
    epochs: Annotated[int, Field(gt=0)] | None = None
    steps_per_phase: Annotated[int, Field(gt=0)] | None = None
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    scheduler: Scheduler | None = None
    patience: Annotated[int, Field(gt=0)] | None = None
    selection: SelectionParams = SelectionParams()
    plateau: PlateauParams = PlateauParams()
    without: Annotated[tuple[ModuleName, ...], BeforeValidator(_split_text)] = ()
    loss: LossWeights | None = None
    phase_losses: dict[str, LossWeights] = Field(default_factory=dict)
    seed: Annotated[int, Field(ge=0)] = 7
    seeds: Annotated[int, Field(gt=0)] = 1
    resume: str | None = None
    days_per_block: Annotated[int, Field(gt=0)] = 8
    samples_per_block: Annotated[int, Field(gt=0)] | None = None
    labels: LabelParams = LabelParams()
    accumulate: Annotated[int, Field(gt=0)] = 1
    weight_decay: Annotated[float, Field(ge=0)] = 2.0
    graph_weight_decay: Annotated[float, Field(ge=0)] = 0.2
    betas: tuple[float, float] = (0.9, 0.98)
    average: Annotated[float, Field(ge=0, lt=1)] = 0.995
    swa_share: Annotated[float, Field(ge=0, le=1)] = 0.25
    exposures: tuple[str, ...] = ()
    scale_floor: Annotated[float, Field(ge=0)] = 0.0
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(gt=0)] | None = None
    log_every: Annotated[int, Field(gt=0)] = 20
    scored_share: Annotated[float, Field(ge=0, lt=1)] = 0.05
    keep_epochs: Annotated[int, Field(ge=0)] = 3
    nan_budget: Annotated[int, Field(ge=0)] = 10
    collapse: CollapseParams = CollapseParams()
    deterministic: bool = False
    detect_anomaly: bool = False

    @property
    def curriculum(self) -> tuple[PhaseParams, ...]:
        """List the phases as they are trained, without those that get no epoch."""
        pace = self.fastest / max(phase.learning_rate for phase in self.phases)
        shares = [1] * len(self.phases) if self.steps_per_phase else share_epochs(self.phases, self.epochs)
        return tuple(
            phase.model_copy(
                update={
                    "epochs": epochs,
                    "learning_rate": phase.learning_rate * pace,
                    "modules": tuple(part for part in phase.modules if part not in self.without),
                    "loss": self.phase_losses.get(phase.name) or self.loss or phase.loss,
                    "scheduler": self.scheduler or phase.scheduler,
                    "patience": self.patience or phase.patience,
                }
            )
            for phase, epochs in zip(self.phases, shares, strict=True)
            if epochs
        )

    @property
    def left_out(self) -> list[str]:
        """Name the phases that get no epoch."""
        trained = {phase.name for phase in self.curriculum}
        return [phase.name for phase in self.phases if phase.name not in trained]

    @property
    def fastest(self) -> float:
        """Say what the learning rate of the fastest phase is."""
        return self.learning_rate or max(phase.learning_rate for phase in self.phases)

    @property
    def all_seeds(self) -> range:
        """List the seeds of a run's networks."""
        return range(self.seed, self.seed + self.seeds)

    def place_of(self, seed: int) -> str:
        """Name the folder of a seed's checkpoints in its run's."""
        return f"seed_{seed}" if self.seeds > 1 else "."

    @model_validator(mode="after")
    def _losses_have_a_phase(self) -> Self:
        names = [phase.name for phase in self.phases]
        unknown = [name for name in self.phase_losses if name not in names]
        if unknown:
            raise ValueError(f"phase_losses names {unknown[0]}, and the phases are {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _phases_have_names_of_their_own(self) -> Self:
        names = [phase.name for phase in self.phases]
        shared = sorted({name for name in names if names.count(name) > 1})
        if shared:
            raise ValueError(f"several phases are named {', '.join(shared)}: give each phase a name of its own")
        return self

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if self.epochs and self.steps_per_phase:
            raise ValueError(
                f"epochs ({self.epochs}) and steps_per_phase ({self.steps_per_phase}) are both set, and each sets how "
                "long to train: set one of them to null, for example with --params training.steps_per_phase=null"
            )
        return self

    @model_validator(mode="after")
    def _exposure_has_exposures(self) -> Self:
        for phase in self.curriculum:
            if phase.loss.exposure and not self.exposures:
                raise ValueError(f"phase {phase.name} weighs the loss exposure, and exposures names nothing")
            if phase.loss.variance_floor and not self.scale_floor:
                raise ValueError(f"phase {phase.name} weighs the loss variance_floor, and scale_floor is 0")
        return self

    @model_validator(mode="after")
    def _losses_can_be_compared(self) -> Self:
        trained = self.curriculum
        if self.selection.is_loss and any(phase.loss != trained[0].loss for phase in trained):
            raise ValueError(
                f"selection.metric {self.selection.metric} compares epochs of phases with different losses: give all "
                "phases one loss with training.loss"
            )
        return self

    @model_validator(mode="after")
    def _suspicion_is_eager(self) -> Self:
        if self.detect_anomaly and self.compile:
            raise ValueError("detect_anomaly needs compile: false, for compiled code hides the line at fault")
        return self
