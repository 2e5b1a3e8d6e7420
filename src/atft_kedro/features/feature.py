"""One feature, declared once: the declaration computes it, documents it and identifies it."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from .market_days import DEFINITION, MARKET_RETURN
from .shared import SHARED

OWN_FAMILY = "own"  # of a feature that is not declared here
Sight = Literal["stock", "market", "sector", "row", "day"]


@dataclass(frozen=True)
class Feature:
    """A column of the ML dataset.

    ``sees`` says which rows the expression runs over: a ``stock``'s own history, the ``market``'s or a
    ``sector``'s daily history, the ``row`` itself with the features that these made, or one ``day``'s
    cross-section of all of them.
    """

    name: str
    expression: pl.Expr
    family: str
    lookback: int  # observations before the day itself that it may reach back to
    says: str
    sees: Sight = "stock"

    def narrow(self) -> pl.Expr:
        """Compute it as Float32 under its name."""
        return self.expression.cast(pl.Float32).alias(self.name)

    def describe(self) -> dict[str, Any]:
        """Write it down for the feature catalogue."""
        return {
            "name": self.name,
            "family": self.family,
            "sees": self.sees,
            "lookback": self.lookback,
            "says": self.says,
            "definition": str(self.expression),
        }

    def identity(self) -> str:
        """Spell everything that decides its numbers."""
        parts = (self.name, self.sees, self.expression.meta.serialize(format="json"))
        return "\n".join(parts)


def unknown_unless_finite() -> pl.Expr:
    """Turn what is undefined (0/0, log 0) in every Float32 column into null."""
    value = pl.selectors.by_dtype(pl.Float32)
    return pl.when(value.is_finite()).then(value)


def rank_of(feature: Feature) -> Feature:
    """Rank a feature inside its day: from −½ to ½, ties averaged, null where it is null."""
    value = pl.col(feature.name)
    middle = (value.rank("average") - 0.5) / value.count() - 0.5
    return Feature(
        name=f"rank_{feature.name}",
        expression=middle,
        family=f"{feature.family} rank",
        lookback=feature.lookback,
        says=f"{feature.name} ranked among the day's stocks",
        sees="day",
    )


def describe_catalogue(features: Iterable[Feature]) -> dict[str, Any]:
    """Write the feature catalogue: every declaration, their number and the hash of them all."""
    features = list(features)
    return {
        "count": len(features),
        "hash": hash_catalogue(features),
        "features": [feature.describe() for feature in features],
    }


def describe_columns(names: list[str], features: Iterable[Feature]) -> dict[str, Any]:
    """Write the catalogue of a dataset with the features ``names``; those not among ``features`` are people's own."""
    declared = {feature.name: feature for feature in features}
    if names == list(declared):
        return describe_catalogue(declared.values())
    known = [declared[name].describe() if name in declared else {"name": name, "family": OWN_FAMILY} for name in names]
    identities = [declared[name].identity() if name in declared else name for name in names]
    shared = _shared() if any(name in declared for name in names) else []
    return {"count": len(known), "hash": _hash(shared + identities), "features": known}


def hash_catalogue(features: Iterable[Feature]) -> str:
    """Identify a feature set: names, order and definitions."""
    return _hash(_shared() + [feature.identity() for feature in features])


def _shared() -> list[str]:
    """Spell what features share: the market's daily history, and each stock's own columns."""
    columns = [f"{name}\n{expression.meta.serialize(format='json')}" for name, expression in SHARED.items()]
    return [f"{MARKET_RETURN}\n{DEFINITION}", *columns]


def _hash(parts: list[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
