"""The feature sets by name, and the parameters that choose one."""

from typing import Annotated, Literal

from pydantic import Field

from ..params import Params
from ..schema import HORIZONS, Horizons
from .alpha158 import ALPHA158
from .daily import CORE
from .feature import Feature, Sight
from .wide import WIDE

FEATURE_SETS: dict[str, list[Feature]] = {"core": CORE, "alpha158": ALPHA158, "wide": WIDE}


class FeatureParams(Params):
    """Which features and targets an ML dataset holds, and how much memory making it may take."""

    set: Literal["core", "alpha158", "wide"] = "core"
    horizons: Horizons = HORIZONS
    entry_lag: Annotated[int, Field(ge=0)] = 0
    memory_gb: Annotated[float, Field(gt=0)] = 4.0

    def features(self, sees: Sight | None = None) -> list[Feature]:
        """List the set's features, or those of one sight."""
        return [feature for feature in FEATURE_SETS[self.set] if sees in (None, feature.sees)]
