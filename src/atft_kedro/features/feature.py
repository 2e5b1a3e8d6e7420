"""Declaration of a feature: its expression, its documentation and its identity."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal

import polars as pl

from .market_summary import MARKET_RETURN, RETURN_DEFINITION

OWN_FAMILY = "own"  # family of the features that the project does not declare
ROW = "row"  # column with the number of the stock's observation, from 0
Scope = Literal["stock", "market", "sector", "row", "day"]

FLAT = 1e-7  # a smaller standard deviation of returns or log volumes counts as 0: it is rounding error
_close, _volume = pl.col("close"), pl.col("volume")
_before = _close.shift(1)
_return = _close / _before - 1

# Columns along each stock's history that several features use. They are part of the feature hash.
SHARED: dict[str, pl.Expr] = {
    ROW: pl.int_range(pl.len(), dtype=pl.Int64),
    "before": _before,
    "return": _return,
    "residual": _return - pl.col(MARKET_RETURN),
    "rise": _close - _before,
    "volume_rise": _volume - _volume.shift(1),
    "log_volume": (_volume + 1).log(),
    "log_volume_ratio": (_volume / _volume.shift(1) + 1).log(),
    "traded": _close * _volume,
    "weighted_move": _return.abs() * _volume,
    "timed_close": pl.int_range(pl.len()).cast(pl.Float64) * _close,
    "rose": (_close > _before).fill_null(False).cast(pl.Float64),
    "fell": (_close < _before).fill_null(False).cast(pl.Float64),
}


def min_samples(window: int) -> int:
    """Return the default minimum of known observations: four fifths of the window, at least 2."""
    return max(2, ceil(0.8 * window))


def mean(x: pl.Expr, window: int, samples: int | None = None) -> pl.Expr:
    """Compute the mean of the last ``window`` observations; unknown with fewer than ``samples``."""
    return x.rolling_mean(window, min_samples=samples or min_samples(window))


def deviation(x: pl.Expr, window: int, samples: int | None = None) -> pl.Expr:
    """Compute the standard deviation (ddof 1) of the last ``window`` observations."""
    return x.rolling_std(window, min_samples=samples or min_samples(window))


def highest(x: pl.Expr, window: int, samples: int | None = None) -> pl.Expr:
    """Compute the maximum of the last ``window`` observations."""
    return x.rolling_max(window, min_samples=samples or min_samples(window))


def lowest(x: pl.Expr, window: int, samples: int | None = None) -> pl.Expr:
    """Compute the minimum of the last ``window`` observations."""
    return x.rolling_min(window, min_samples=samples or min_samples(window))


def correlation(x: pl.Expr, y: pl.Expr, window: int) -> pl.Expr:
    """Correlate the known pairs of the last observations; null if one side hardly varies."""
    both = x.is_not_null() & y.is_not_null()
    x, y = pl.when(both).then(x), pl.when(both).then(y)
    both_vary = (deviation(x, window) > FLAT) & (deviation(y, window) > FLAT)
    known = pl.rolling_corr(x, y, window_size=window, min_samples=min_samples(window)).clip(-1, 1)
    return pl.when(both_vary).then(known)


@dataclass(frozen=True)
class Feature:
    """A column of the ML dataset.

    ``scope`` names the rows that the expression is computed over: the history of a ``stock``, of the ``market`` or
    of a ``sector``; a single ``row`` that has the features of these three scopes; or the stocks of one ``day``, which
    have the features of all other scopes.
    """

    name: str
    expression: pl.Expr
    family: str
    lookback: int  # upper bound of the number of earlier observations that it uses
    description: str
    scope: Scope = "stock"

    def as_float32(self) -> pl.Expr:
        """Return the expression as Float32 under the feature's name."""
        return self.expression.cast(pl.Float32).alias(self.name)

    def describe(self) -> dict[str, Any]:
        """Return the feature's entry of the feature catalogue."""
        return {
            "name": self.name,
            "family": self.family,
            "scope": self.scope,
            "lookback": self.lookback,
            "description": self.description,
            "definition": str(self.expression),
        }

    def identity(self) -> str:
        """Return a text of everything that determines the feature's numbers."""
        return "\n".join((self.name, self.scope, self.expression.meta.serialize(format="json")))


def declare(family: str, *declarations: tuple[str, pl.Expr, int, str], scope: Scope = "stock") -> list[Feature]:
    """Declare the features of a family by name, expression, lookback and description."""
    return [
        Feature(name, expression, family, lookback, text, scope) for name, expression, lookback, text in declarations
    ]


def null_unless_finite() -> pl.Expr:
    """Select all Float32 columns, with null for undefined values (0/0, log 0)."""
    value = pl.selectors.by_dtype(pl.Float32)
    return pl.when(value.is_finite()).then(value)


def rank_of(feature: Feature) -> Feature:
    """Declare a feature's rank among the stocks of a day, between −½ and ½, ties averaged."""
    value = pl.col(feature.name)
    return Feature(
        name=f"rank_{feature.name}",
        expression=(value.rank("average") - 0.5) / value.count() - 0.5,
        family=f"{feature.family} rank",
        lookback=feature.lookback,
        description=f"{feature.name} ranked among the day's stocks",
        scope="day",
    )


def describe_columns(names: list[str], features: Iterable[Feature]) -> dict[str, Any]:
    """Build the feature catalogue of a dataset; undeclared features get the family ``own``.

    The hash is of the names, order and definitions of the features.
    """
    declared = {feature.name: feature for feature in features}
    described = [
        declared[name].describe() if name in declared else {"name": name, "family": OWN_FAMILY} for name in names
    ]
    identities = [declared[name].identity() if name in declared else name for name in names]
    shared = _shared_identities() if any(name in declared for name in names) else []
    digest = hashlib.sha256(json.dumps(shared + identities).encode()).hexdigest()[:16]
    return {"count": len(described), "hash": digest, "features": described}


def _shared_identities() -> list[str]:
    columns = [f"{name}\n{expression.meta.serialize(format='json')}" for name, expression in SHARED.items()]
    return [f"{MARKET_RETURN}\n{RETURN_DEFINITION}", *columns]
