"""The phases of a training: modules, learning rates, losses and learning rate schedules."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field

from ..losses import LossWeights
from ..network.params import MODULES, ModuleName
from ..params import InputError, Params
from .augmentation import AugmentParams

Scheduler = Literal["constant", "cosine", "plateau"]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class PhaseParams(Params):
    """One phase of a training.

    ``modules`` are the optional modules that are switched on; ``freeze`` names modules of the network whose weights do
    not change. With the scheduler ``cosine`` the learning rate rises during the share ``warmup`` of the steps, then
    falls to 10 %; ``plateau`` uses the parameters in ``training.plateau``; ``constant`` does not change it. After
    ``patience`` epochs without a new best score of the phase the next phase begins; with null all epochs are trained.
    Without ``horizon_weights`` a horizon of h days has weight 1/h, because its labels overlap: each daily return is in
    h labels. ``newest_days`` limits the phase to the last train days. ``clip_norm`` is the largest norm of a step's
    gradient. ``start_from`` chooses the weights at the phase's start: those of the last step, or the best so far.
    ``gradient_penalty`` is the weight of the squared gradient of the forecasts with respect to the features.
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
    warmup: Fraction = 0.1
    start_from: Literal["last", "best"] = "last"
    patience: Annotated[int, Field(gt=0)] | None = None
    augment: AugmentParams = AugmentParams()
    gradient_penalty: Annotated[float, Field(ge=0)] = 0.0

    def weigh_horizons(self, horizons: tuple[int, ...]) -> list[float]:
        """Compute the weight of each horizon in the losses."""
        if self.horizon_weights is None:
            return [1 / horizon for horizon in horizons]
        if len(self.horizon_weights) != len(horizons):
            raise InputError(
                f"training.phases: {self.name} has {len(self.horizon_weights)} horizon_weights, but there are "
                f"{len(horizons)} horizons: {horizons}."
            )
        if not sum(self.horizon_weights):
            raise InputError(f"training.phases: {self.name} has no positive weight in horizon_weights.")
        return list(self.horizon_weights)

    def require_trainable(self, module_names: Iterable[str]) -> None:
        """Refuse to freeze unknown modules of the network, or all that are switched on."""
        known = list(module_names)
        inactive: set[str] = {module for module in MODULES if module not in self.modules}
        if "fan" not in self.modules:
            inactive.add("trend_projection")  # it projects the trend that only `fan` computes
        if not set(known) - set(self.freeze) - inactive:
            raise InputError(
                f"training.phases: {self.name} freezes all modules that are switched on: nothing is left to train."
            )
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
    """Distribute ``total`` epochs over phases in proportion to their epochs; None keeps these.

    The longest phases get their epochs first; short phases may get none.
    """
    if total is None:
        return [phase.epochs for phase in phases]
    configured_total = sum(phase.epochs for phase in phases)
    exact = [total * phase.epochs / configured_total for phase in phases]
    shares = [0] * len(phases)
    for _ in range(total):
        largest_deficit = max(range(len(phases)), key=lambda index: exact[index] - shares[index])
        shares[largest_deficit] += 1
    return shares
