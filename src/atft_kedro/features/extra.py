"""A user's own features: of further columns of the data (``features.columns``) and of plug-ins (``features.extra``)."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

import polars as pl
from pydantic import AfterValidator

from ..params import InputError, Params
from ..plugins import load_plugin
from ..schema import DELISTING_DATE, KEY, QUOTES, SECTOR, TARGET, VWAP
from .feature import SHARED, Feature, rank_of
from .market_summary import MARKET_RETURN

RESERVED = {*KEY, SECTOR, *QUOTES, VWAP, DELISTING_DATE, MARKET_RETURN, *SHARED}  # names of other columns


def _is_reserved(name: str) -> bool:
    return name in RESERVED or name.startswith(TARGET.split("{h}")[0])


def _require_column_name(name: str) -> str:
    if not re.fullmatch(r"[^\WA-Z]+", name) or _is_reserved(name):
        raise ValueError("must have only small letters, digits and _, and not be the name of another column")
    return name


ColumnName = Annotated[str, AfterValidator(_require_column_name)]


class ColumnFeature(Params):
    """Features of one column: its ``value``, its ``rank`` among the day's stocks, both or none."""

    value: bool = True
    rank: bool = False

    def declare(self, name: str) -> list[Feature]:
        """Declare the features of the column ``name``."""
        value = Feature(name, pl.col(name), "column", 0, f"{name}, as it is known at the day's close", "row")
        return [value] * self.value + [rank_of(value)] * self.rank


def add_extra_features(
    features: Sequence[Feature], columns: Mapping[str, ColumnFeature], plugins: Iterable[str]
) -> list[Feature]:
    """Add the features of columns and plug-ins to a set; refuse names that are in use."""
    added = {feature.name: feature for feature in features}
    if repeated := {*columns} & {*added}:
        raise InputError(f"features.columns has {min(repeated)}, but there is such a feature: rename the column.")
    extra = {f"The plug-in {name}": load_plugin(name, "features", list) for name in plugins}
    declared = [feature for name, column in columns.items() for feature in column.declare(name)]
    for source, own in ({"features.columns": declared} | extra).items():
        for feature in own:
            if not isinstance(feature, Feature):
                raise InputError(f"{source} must be a list of Feature, but contains {feature!r}.")
            if feature.name in added or _is_reserved(feature.name):
                raise InputError(f"{source} has a feature {feature.name!r}, but there is such a column.")
            added[feature.name] = feature
    return list(added.values())
