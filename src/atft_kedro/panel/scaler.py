"""Features brought to one scale, by what the train days say and nothing else."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

import polars as pl
from pydantic import Field

from ..params import InputError, Params
from ..schema import DATE

Method = Literal["robust", "standard", "rank", "zscore", "none"]
DAILY = ("rank", "zscore")  # need the day's other stocks, and nothing from the train days
LARGEST, SMALLEST = 65504.0, 2.0**-14  # of a 16-bit float with all its digits
NORMAL_IQR = 1.3489795  # of a standard normal
UNIFORM_DEVIATION = 12**-0.5


class ScalerParams(Params):
    """How features are scaled, by family; ``own`` is the family of a feature that no set of ours declares.

    ``robust`` (median and interquartile range) and ``standard`` (mean and deviation) are fitted on the train days;
    ``rank`` and ``zscore`` compare the stocks of each day; ``none`` leaves the feature alone.
    """

    default: Method = "robust"
    families: dict[str, Method] = Field(default_factory=dict)
    clip: Annotated[float, Field(gt=0, le=LARGEST)] = 5.0

    def method_of(self, family: str) -> Method:
        """Choose the method of a family."""
        return self.families.get(family, self.default)

    def require_known(self, families: Sequence[str]) -> None:
        """Refuse a method for a family that no feature belongs to."""
        unknown = sorted(set(self.families) - set(families))
        if unknown:
            raise InputError(
                f"scaler.families names {unknown}; the features' families are {', '.join(sorted(set(families)))}."
            )


class FeatureScale(Params):
    """What is taken from one feature, and what the rest is divided by; ``missing`` is its share in the train days."""

    name: str
    family: str
    method: Method | Literal["absent"]  # absent: unknown on all train days, and left out for good
    center: float = 0.0
    scale: float = 1.0
    missing: float = 0.0


class Scaler(Params):
    """All that is needed to scale new observations: one entry per feature, in the order of the catalogue."""

    feature_hash: str  # the feature catalogue's hash
    first: date  # of the train days
    last: date
    rows: int
    clip: float
    features: tuple[FeatureScale, ...]

    def names(self) -> list[str]:
        """Name the features in order."""
        return [feature.name for feature in self.features]

    def expressions(self) -> list[pl.Expr]:
        """Scale every feature; what is missing or not finite becomes null."""
        return [_scaled(feature, self.clip) for feature in self.features]

    def scale(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Scale the features of whole days."""
        self.require_features(frame.columns)
        return frame.select(self.expressions())

    def require_features(self, columns: Sequence[str]) -> None:
        """Refuse a table that lacks features."""
        missing = [name for name in self.names() if name not in columns]
        if missing:
            raise InputError(f"The scaler was fitted on {len(missing)} features that are not here: {missing[:8]}.")


def _scaled(feature: FeatureScale, clip: float) -> pl.Expr:
    raw = pl.col(feature.name).cast(pl.Float32)
    if feature.method == "absent":
        return pl.lit(None, dtype=pl.Float32).alias(feature.name)
    known = pl.when(raw.is_finite()).then(raw)
    if feature.method == "none":
        return known.clip(-LARGEST, LARGEST).alias(feature.name)
    if feature.method == "rank":
        middle = (known.rank("average") - 0.5) / known.count() - 0.5
        scaled = (middle / UNIFORM_DEVIATION).over(DATE)
    elif feature.method == "zscore":
        scaled = ((known - known.mean()) / known.std()).over(DATE)
        scaled = pl.when(scaled.is_finite()).then(scaled)
    else:
        scaled = (known - feature.center) / feature.scale
    return scaled.cast(pl.Float32).clip(-clip, clip).alias(feature.name)
