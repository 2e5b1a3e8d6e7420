"""The phases of a training: modules, learning rates, losses and learning rate schedules."""

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
    """One phase of a training.

    ``modules`` are the optional modules that are switched on; ``freeze`` names modules of the network whose weights do
    not change. The scheduler ``cosine`` falls to 10 % of the learning rate, after a warm-up over a share of the
    steps; ``plateau`` follows ``training.plateau``. After ``patience`` epochs without a new best score of the phase the
    next phase begins; null trains all epochs. Without ``horizon_weights`` a horizon of h days weighs 1/h, because h of
    its labels share each day's return. ``newest_days`` limits the phase to the last train days.
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
        """Compute the weight of each horizon in the losses."""
        if self.horizon_weights is None:
            return [1 / horizon for horizon in horizons]
        if len(self.horizon_weights) != len(horizons) or not sum(self.horizon_weights):
            raise InputError(
                f"training.phases: {self.name} has {len(self.horizon_weights)} horizon_weights with a sum of "
                f"{sum(self.horizon_weights)}; there are {len(horizons)} horizons: {horizons}."
            )
        return list(self.horizon_weights)

    def require_trainable(self, children: Iterable[str]) -> None:
        """Refuse to freeze unknown modules of the network, or all that are switched on."""
        known = list(children)
        off: set[str] = {module for module in MODULES if module not in self.modules}
        off |= set() if "fan" in self.modules else {"trend_projection"}
        if not set(known) - set(self.freeze) - off:
            raise InputError(f"training.phases: {self.name} freezes all modules that are switched on.")
        unknown = [name for name in self.freeze if name not in known]
        if unknown:
            raise InputError(f"training.phases: {self.name} freezes {unknown}; the network has {known}.")


class PlateauParams(Params):
    """Parameters of the scheduler ``plateau``.

    After every ``patience`` epochs without a new best score of the phase, the learning rate is multiplied by
    ``factor``, down to ``min_learning_rate``.
    """

    factor: Annotated[float, Field(gt=0, lt=1)]
    patience: Annotated[int, Field(gt=0)]
    min_learning_rate: Annotated[float, Field(ge=0)]


def share_epochs(phases: Sequence[PhaseParams], total: int | None) -> list[int]:
    """Share ``total`` epochs among phases in proportion to their own; null keeps their own.

    The longest phases get their epochs first; short phases may get none.
    """
    if total is None:
        return [phase.epochs for phase in phases]
    own = sum(phase.epochs for phase in phases)
    exact = [total * phase.epochs / own for phase in phases]
    shares = [0] * len(phases)
    for _ in range(total):
        furthest_below = max(range(len(phases)), key=lambda phase: exact[phase] - shares[phase])
        shares[furthest_below] += 1
    return shares
