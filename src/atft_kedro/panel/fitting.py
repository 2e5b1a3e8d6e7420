"""The scaler fitted: exact medians and deviations of every feature over all rows of the train days."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from ..params import InputError
from ..progress import tracked
from ..schema import CODE, DATE
from .index import PanelIndex
from .scaler import DAILY, NORMAL_IQR, FeatureScale, Method, Scaler, ScalerParams
from .split import Split

COLUMNS_AT_ONCE = 32
FLAT = 1e-6  # a deviation so small beside the values themselves is rounding

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureCatalogue:
    """The dataset's features, each with its family, and the hash of them all."""

    hash: str
    families: dict[str, str]

    @classmethod
    def of(cls, described: dict[str, Any]) -> Self:
        """Read it from its document."""
        return cls(described["hash"], {feature["name"]: feature["family"] for feature in described["features"]})


def fit_scaler(
    frame: pl.LazyFrame, index: PanelIndex, split: Split, catalogue: FeatureCatalogue, params: ScalerParams
) -> Scaler:
    """Fit every feature on the eligible rows of the train days, a few columns at a time."""
    params.require_known(list(catalogue.families.values()))
    rows = _train_rows(frame, index, split)
    stretches = split.part("train")
    return Scaler(
        catalogue=catalogue.hash,
        first=stretches[0].first,
        last=stretches[-1].last,
        rows=int(rows.sum()),
        clip=params.clip,
        features=tuple(_fit_features(frame, rows, catalogue.families, params)),
    )


def _train_rows(frame: pl.LazyFrame, index: PanelIndex, split: Split) -> np.ndarray:
    """Mark the rows of the dataset that the scaler may see."""
    is_train = np.zeros(len(index.days), dtype=bool)
    is_train[split.days_of("train", index.days)] = True
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
    names = list(families)
    groups = [names[start : start + COLUMNS_AT_ONCE] for start in range(0, len(names), COLUMNS_AT_ONCE)]
    flat: list[str] = []
    with ThreadPoolExecutor() as pool:
        for group in tracked(groups, "scaler, groups of features", len(groups)):
            columns = frame.select(pl.col(group).cast(pl.Float32)).collect()
            fits = pool.map(lambda name, c=columns: _fit(name, c[name], rows, families[name], params), group)
            for fit, is_flat in fits:
                flat += [fit.name] * is_flat
                yield fit
    if flat:
        raise InputError(
            f"{len(flat)} features have one value on all train days and cannot be scaled: {', '.join(flat[:8])}. "
            "Leave them out (`columns: {ignore: […]}`), start the train days where they live, or scale their "
            "family by `rank`, `zscore` or `none` (`scaler.families`)."
        )


def _fit(
    name: str, column: pl.Series, rows: np.ndarray, family: str, params: ScalerParams
) -> tuple[FeatureScale, bool]:
    """Fit one feature, and say whether it is constant."""
    values = column.to_numpy()[rows]
    values = values[np.isfinite(values)]
    method = params.method_of(family)
    scale = FeatureScale(name=name, family=family, method=method, missing=1 - len(values) / int(rows.sum()))
    if method in DAILY or method == "none":
        return scale, False
    if not len(values):
        _logger.warning("feature %s is missing on all train days: it is neutral and marked as missing", name)
        return scale, False
    center, spread, method = _center_and_scale(values, method)
    is_flat = spread <= FLAT * max(abs(center), 1e-30)
    return scale.model_copy(update={"center": center, "scale": spread, "method": method}), is_flat


def _center_and_scale(values: np.ndarray, method: Method) -> tuple[float, float, Method]:
    """Measure middle and spread; where half of the values are the same, ``robust`` becomes ``standard``."""
    if method == "robust":
        values.sort()
        low, middle, high = _quantiles(values, (0.25, 0.5, 0.75))
        if high - low > FLAT * max(abs(middle), 1e-30):
            return middle, (high - low) / NORMAL_IQR, "robust"
    mean = float(values.mean(dtype=np.float64))
    return mean, float(np.sqrt(np.mean((values - mean) ** 2, dtype=np.float64))), "standard"


def _quantiles(ordered: np.ndarray, shares: Sequence[float]) -> list[float]:
    """Interpolate between order statistics, as ``numpy.quantile`` does, of values already sorted."""
    places = np.asarray(shares) * (len(ordered) - 1)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    low, high = ordered[below].astype(np.float64), ordered[above].astype(np.float64)
    between: list[float] = (low + (high - low) * (places - below)).tolist()
    return between
