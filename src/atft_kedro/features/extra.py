"""A user's own features, named by ``features.extra``."""

from collections.abc import Iterable, Sequence

from ..params import InputError
from ..plugins import load_plugin
from ..schema import DELISTING_DATE, KEY, QUOTES, SECTOR, TARGET, VWAP
from .feature import SHARED, Feature

RESERVED = {*KEY, SECTOR, *QUOTES, VWAP, DELISTING_DATE, *SHARED}  # names of other columns


def add_extra_features(features: Sequence[Feature], names: Iterable[str]) -> list[Feature]:
    """Add the features of plug-ins to a set; refuse names of other features or columns."""
    added = {feature.name: feature for feature in features}
    for name in names:
        for feature in load_plugin(name, "features", list):
            if not isinstance(feature, Feature):
                raise InputError(f"The plug-in {name} must be a list of Feature, but contains {feature!r}.")
            if feature.name in {*added, *RESERVED} or feature.name.startswith(TARGET.split("{h}")[0]):
                raise InputError(f"The plug-in {name} has a feature {feature.name!r}, but there is such a column.")
            added[feature.name] = feature
    return list(added.values())
