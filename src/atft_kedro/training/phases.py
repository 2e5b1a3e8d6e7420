"""The phases of a training: modules, learning rates and losses."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from ..losses import LossWeights
from ..network.params import MODULES, ModuleName
from ..params import InputError, Params
from .augmentation import AugmentParams

Scheduler = Literal["constant", "cosine", "plateau"]
Share = Annotated[float, Field(ge=0, lt=1)]


class PhaseParams(Params):
    """One stretch of training.

    ``modules`` are the modules of the network that are switched on; ``freeze`` names its children whose weights stay.
    ``cosine`` falls from the learning rate to a tenth after a warm-up over a share of the steps; ``plateau`` lowers it
    as ``training.plateau`` says. After ``patience`` epochs without a new best score of the phase the next one begins;
    null trains all epochs. Without ``horizon_weights`` a horizon of h
    days weighs 1/h, for so many of its labels share each day's return. With ``newest_days`` it sees so many of the last
    train days only: a long history can be learned first, and the market of today last.
    """

    name: str
    epochs: Annotated[int, Field(gt=0)]
    learning_rate: Annotated[float, Field(gt=0)]
    newest_days: Annotated[int, Field(gt=0)] | None = None
    modules: tuple[ModuleName, ...] = ()
    freeze: tuple[str, ...] = ()
    loss: LossWeights = LossWeights(mse=1)
    horizon_weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    clip_norm: Annotated[float, Field(gt=0)] = 1.0
    scheduler: Scheduler = "cosine"
    warmup: Share = 0.1
    start_from: Literal["last", "best"] = "last"
    patience: Annotated[int, Field(gt=0)] | None = None
    augment: AugmentParams = AugmentParams()
    gradient_penalty: Annotated[float, Field(ge=0)] = 0.0

    def weigh_horizons(self, horizons: tuple[int, ...]) -> list[float]:
        """Weigh each horizon."""
        if self.horizon_weights is None:
            return [1 / horizon for horizon in horizons]
        if len(self.horizon_weights) != len(horizons) or not sum(self.horizon_weights):
            raise InputError(
                f"training.phases: {self.name} weighs {len(self.horizon_weights)} horizons with a sum of "
                f"{sum(self.horizon_weights)}; there are {len(horizons)}: {horizons}."
            )
        return list(self.horizon_weights)

    def require_children(self, names: Iterable[str]) -> None:
        """Refuse to freeze what the network does not have."""
        known = list(names)
        off = {part for part in MODULES if part not in self.modules} | (
            {"trend_projection"} if "fan" not in self.modules else set()
        )
        if not set(known) - set(self.freeze) - off:
            raise InputError(f"training.phases: {self.name} freezes all that is switched on, and learns nothing.")
        unknown = [name for name in self.freeze if name not in known]
        if unknown:
            raise InputError(f"training.phases: {self.name} freezes {unknown}; the network has {known}.")


_NOISE = AugmentParams(feature_noise=0.5)
_ALL: tuple[ModuleName, ...] = ("fan", "gat", "tokens")
_SQUARES = LossWeights(mse=1, quantile=0.05)
_FINANCIAL = LossWeights(mse=0.7, ic=0.2, rank_ic=0.1, quantile=0.05)
DEFAULT_PHASES = (
    PhaseParams(name="baseline", epochs=1, learning_rate=8e-3, loss=_SQUARES, augment=_NOISE),
    PhaseParams(name="adaptive_norm", epochs=1, learning_rate=8e-3, modules=("fan",), loss=_SQUARES, augment=_NOISE),
    PhaseParams(name="gat", epochs=10, learning_rate=8e-3, modules=_ALL, loss=_SQUARES, augment=_NOISE),
    PhaseParams(
        name="finetune",
        epochs=1,
        learning_rate=5e-4,
        modules=_ALL,
        freeze=("selection",),
        loss=_FINANCIAL,
        start_from="best",
        augment=_NOISE,
    ),
    PhaseParams(
        name="augment",
        epochs=1,
        learning_rate=5e-4,
        modules=_ALL,
        loss=_FINANCIAL,
        augment=AugmentParams(feature_noise=0.5, time_mask=2, mixup=0.2, edge_dropout=0.1),
    ),
)


def share_epochs(phases: Sequence[PhaseParams], epochs: int | None) -> list[int]:
    """Give each phase its epochs, or its share of ``epochs`` in all: the longest first, perhaps none to the others."""
    if epochs is None:
        return [phase.epochs for phase in phases]
    total = sum(phase.epochs for phase in phases)
    wanted = [epochs * phase.epochs / total for phase in phases]
    given = [0] * len(phases)
    for _ in range(epochs):
        neediest = max(range(len(phases)), key=lambda place: wanted[place] - given[place])
        given[neediest] += 1
    return given


class PlateauParams(Params):
    """How the scheduler ``plateau`` lowers the learning rate.

    After each ``patience`` epochs without a new best score within the phase the rate is multiplied by ``factor``, down
    to ``min_learning_rate``.
    """

    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    patience: Annotated[int, Field(gt=0)] = 10
    min_learning_rate: Annotated[float, Field(ge=0)] = 1e-6
