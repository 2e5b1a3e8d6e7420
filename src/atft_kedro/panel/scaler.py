"""Scaler of the features, fitted on the eligible rows of the train days only."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Annotated, Any, Literal, Self

import numpy as np
import polars as pl
from pydantic import Field

from ..params import InputError, Params, batched
from ..progress import track_progress
from ..schema import CODE, DATE
from .index import PanelIndex
from .split import Split

Method = Literal["robust", "standard", "rank", "zscore", "none"]
DAILY = ("rank", "zscore")  # computed from the stocks of one day, not fitted
LARGEST, SMALLEST = 65504.0, 2.0**-14  # range of the normal 16-bit floats
NORMAL_IQR = 1.3489795  # interquartile range of the standard normal distribution
UNIFORM_DEVIATION = 12**-0.5  # standard deviation of the uniform distribution over a range of 1
COLUMNS_AT_ONCE = 32  # features that are in memory together
FLAT = 1e-6  # a smaller spread, relative to the center, is rounding error

_logger = logging.getLogger(__name__)


class ScalerParams(Params):
    """Scaling method by feature family.

    The family ``own`` has the features that the project does not declare.
    ``robust`` (median, interquartile range) and ``standard`` (mean, deviation) are fitted on the train days; ``rank``
    and ``zscore`` compare the stocks of each day; ``none`` leaves the feature unscaled. Scaled values are limited to
    ±``clip``.
    """

    default: Method
    families: dict[str, Method]
    clip: Annotated[float, Field(gt=0, le=LARGEST)]

    def require_known(self, families: Sequence[str]) -> None:
        """Refuse a method for a family without features."""
        unknown = sorted(set(self.families) - set(families))
        if unknown:
            raise InputError(
                f"scaler.families names {unknown}; the features' families are {', '.join(sorted(set(families)))}."
            )


class FeatureScale(Params):
    """Center and scale of one feature; ``missing`` is its unknown share on the train days."""

    name: str
    family: str
    method: Method | Literal["absent"]  # absent: unknown on all train days, always missing
    center: float = 0.0
    scale: float = 1.0
    missing: float = 0.0

    def expression(self, clip: float) -> pl.Expr:
        """Scale the column to Float32; missing and infinite values become null."""
        raw = pl.col(self.name).cast(pl.Float32)
        if self.method == "absent":
            return pl.lit(None, dtype=pl.Float32).alias(self.name)
        known = pl.when(raw.is_finite()).then(raw)
        if self.method == "none":
            return known.clip(-LARGEST, LARGEST).alias(self.name)
        if self.method == "rank":
            centered = (known.rank("average") - 0.5) / known.count() - 0.5
            scaled = (centered / UNIFORM_DEVIATION).over(DATE)
        elif self.method == "zscore":
            scaled = ((known - known.mean()) / known.std()).over(DATE)
            scaled = pl.when(scaled.is_finite()).then(scaled)
        else:
            scaled = (known - self.center) / self.scale
        return scaled.cast(pl.Float32).clip(-clip, clip).alias(self.name)


class Scaler(Params):
    """The scale of each feature, in the order of the feature catalogue."""

    feature_hash: str  # of the feature catalogue
    first: date  # first train day
    last: date  # last train day
    rows: int  # eligible rows of the train days
    clip: float
    features: tuple[FeatureScale, ...]

    def names(self) -> list[str]:
        """List the feature names in order."""
        return [feature.name for feature in self.features]

    def scale(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Scale the features of complete days."""
        self.require_features(frame.columns)
        return frame.select(feature.expression(self.clip) for feature in self.features)

    def require_features(self, columns: Sequence[str]) -> None:
        """Refuse a table that lacks features."""
        missing = [name for name in self.names() if name not in columns]
        if missing:
            raise InputError(f"The scaler was fitted on {len(missing)} features that are missing here: {missing[:8]}.")


@dataclass(frozen=True)
class FeatureCatalogue:
    """The family of each feature of the dataset, and the hash of their definitions."""

    hash: str
    families: dict[str, str]

    @classmethod
    def of(cls, described: dict[str, Any]) -> Self:
        """Parse the dictionary that `describe_columns` returns."""
        return cls(described["hash"], {feature["name"]: feature["family"] for feature in described["features"]})


def fit_scaler(
    frame: pl.LazyFrame, index: PanelIndex, split: Split, catalogue: FeatureCatalogue, params: ScalerParams
) -> Scaler:
    """Fit every feature on the eligible rows of the train days."""
    params.require_known(list(catalogue.families.values()))
    rows = _mark_train_rows(frame, index, split)
    train = split.ranges_of("train")
    return Scaler(
        feature_hash=catalogue.hash,
        first=train[0].first,
        last=train[-1].last,
        rows=int(rows.sum()),
        clip=params.clip,
        features=tuple(_fit_features(frame, rows, catalogue.families, params)),
    )


def _mark_train_rows(frame: pl.LazyFrame, index: PanelIndex, split: Split) -> np.ndarray:
    """Mark the eligible rows of the train days."""
    is_train = np.zeros(len(index.days), dtype=bool)
    is_train[split.indices_of("train", index.days)] = True
    day, stock = index.find(frame.select(DATE, CODE).collect())
    rows: np.ndarray = is_train[day] & index.eligible[day, stock]
    if not rows.any():
        raise InputError(
            f"{split.name}: no stock is in the universe on any train day; `universe:` in conf/ is too strict."
        )
    return rows


def _fit_features(
    frame: pl.LazyFrame, rows: np.ndarray, families: dict[str, str], params: ScalerParams
) -> Iterator[FeatureScale]:
    """Yield the fitted features; at the end refuse those that cannot be scaled."""
    refused: list[str] = []
    with ThreadPoolExecutor() as pool:
        for names in track_progress(batched(list(families), COLUMNS_AT_ONCE), "scaler, groups of features"):
            columns = frame.select(DATE, pl.col(names).cast(pl.Float32)).collect().filter(pl.Series(rows))
            fits = pool.map(partial(_fit, columns=columns, families=families, params=params), names)
            for name, fit in zip(names, fits, strict=True):
                if isinstance(fit, FeatureScale):
                    yield fit
                else:
                    refused.append(f"{name} {fit}")
    if refused:
        raise InputError(
            f"{len(refused)} features cannot be scaled: {'; '.join(refused[:8])}. Ignore them (`columns: {{ignore: "
            "[…]}`), begin the train days later, or choose another method for their family (`scaler.families`)."
        )


def _fit(name: str, columns: pl.DataFrame, families: dict[str, str], params: ScalerParams) -> FeatureScale | str:
    """Fit one feature on its train rows, or return why it cannot be scaled."""
    family = families[name]
    method = params.families.get(family, params.default)
    column = columns[name].to_numpy()
    values = column[np.isfinite(column)]
    fields = {"name": name, "family": family, "missing": 1 - len(values) / len(column)}
    if not len(values):
        _logger.warning("feature %s is unknown on all train days: it is treated as missing everywhere", name)
        return FeatureScale.model_validate({**fields, "method": "absent"})
    if method == "none":
        sizes = np.abs(values[values != 0])
        fits = not len(sizes) or (np.median(sizes) > SMALLEST and sizes.max() < LARGEST)
        return FeatureScale.model_validate({**fields, "method": method}) if fits else "does not fit 16 bits unscaled"
    if method in DAILY:
        differs = _differs_within_days(columns, name)
        return FeatureScale.model_validate({**fields, "method": method}) if differs else "is the same for all stocks"
    center, spread, method = _center_and_scale(values, method)
    if not FLAT * max(abs(center), 1e-30) < spread < np.inf:
        return "has one value on all train days"
    return FeatureScale.model_validate({**fields, "method": method, "center": center, "scale": spread})


def _differs_within_days(columns: pl.DataFrame, name: str) -> bool:
    value = pl.when(pl.col(name).is_finite()).then(pl.col(name))
    spread = columns.group_by(DATE).agg(spread=value.max() - value.min())["spread"]
    return bool((spread > 0).any())


def _center_and_scale(values: np.ndarray, method: Method) -> tuple[float, float, Method]:
    """Compute center and scale; ``robust`` becomes ``standard`` if the interquartile range is 0."""
    if method == "robust":
        values.sort()
        low, median, high = _quantiles(values, (0.25, 0.5, 0.75))
        if high - low > FLAT * max(abs(median), 1e-30):
            return median, (high - low) / NORMAL_IQR, "robust"
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64)), "standard"


def _quantiles(ordered: np.ndarray, shares: Sequence[float]) -> list[float]:
    """Compute quantiles of sorted values like ``numpy.quantile``, which would sort them again."""
    positions = np.asarray(shares) * (len(ordered) - 1)
    below = positions.astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    low, high = ordered[below].astype(np.float64), ordered[above].astype(np.float64)
    quantiles: list[float] = (low + (high - low) * (positions - below)).tolist()
    return quantiles
