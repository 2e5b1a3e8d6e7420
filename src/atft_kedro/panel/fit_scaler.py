"""The scaler fitted: exact medians and deviations of every feature over all rows of the train days."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
import polars as pl

from ..params import InputError
from ..progress import track_progress
from ..schema import CODE, DATE
from .index import PanelIndex
from .scaler import DAILY, LARGEST, NORMAL_IQR, SMALLEST, FeatureScale, Method, Scaler, ScalerParams
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
    stretches = split.ranges_of("train")
    return Scaler(
        feature_hash=catalogue.hash,
        first=stretches[0].first,
        last=stretches[-1].last,
        rows=int(rows.sum()),
        clip=params.clip,
        features=tuple(_fit_features(frame, rows, catalogue.families, params)),
    )


def _train_rows(frame: pl.LazyFrame, index: PanelIndex, split: Split) -> np.ndarray:
    """Mark the rows of the dataset that the scaler may see."""
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
    """Fit some columns at a time; refuse in the end what cannot be scaled as it is asked."""
    names = list(families)
    groups = [names[start : start + COLUMNS_AT_ONCE] for start in range(0, len(names), COLUMNS_AT_ONCE)]
    refused: list[str] = []
    with ThreadPoolExecutor() as pool:
        for group in track_progress(groups, "scaler, groups of features", len(groups)):
            columns = frame.select(DATE, pl.col(group).cast(pl.Float32)).collect().filter(pl.Series(rows))
            fits = pool.map(partial(_fit, columns=columns, families=families, params=params), group)
            for name, fit in zip(group, fits, strict=True):
                if isinstance(fit, FeatureScale):
                    yield fit
                else:
                    refused.append(f"{name} {fit}")
    if refused:
        raise InputError(
            f"{len(refused)} features cannot be scaled: {'; '.join(refused[:8])}. Leave them out (`columns: "
            "{ignore: […]}`), start the train days where they live, or choose another method for their family "
            "(`scaler.families`)."
        )


def _fit(name: str, columns: pl.DataFrame, families: dict[str, str], params: ScalerParams) -> FeatureScale | str:
    """Fit one feature on its train rows, or say why that cannot be."""
    family = families[name]
    method = params.method_of(family)
    column = columns[name].to_numpy()
    values = column[np.isfinite(column)]
    fields = {"name": name, "family": family, "missing": 1 - len(values) / len(column)}
    if not len(values):
        _logger.warning("feature %s is unknown on all train days: it is left out, marked as missing everywhere", name)
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
    """Measure middle and spread; where half of the values are the same, ``robust`` becomes ``standard``."""
    if method == "robust":
        values.sort()
        low, middle, high = _quantiles(values, (0.25, 0.5, 0.75))
        if high - low > FLAT * max(abs(middle), 1e-30):
            return middle, (high - low) / NORMAL_IQR, "robust"
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64)), "standard"


def _quantiles(ordered: np.ndarray, shares: Sequence[float]) -> list[float]:
    """Interpolate between order statistics, as ``numpy.quantile`` does, of values already sorted."""
    places = np.asarray(shares) * (len(ordered) - 1)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, len(ordered) - 1)
    low, high = ordered[below].astype(np.float64), ordered[above].astype(np.float64)
    between: list[float] = (low + (high - low) * (places - below)).tolist()
    return between
