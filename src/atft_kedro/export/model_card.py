"""A model's card: all that is needed to load it, to feed it and to trust it."""

from collections.abc import Sequence
from typing import Self

import polars as pl

from ..evaluation.conformal import Corrections
from ..graph.neighbours import GraphParams
from ..network.params import ModuleName, NetworkParams
from ..panel.scaler import FeatureCatalogue, Scaler
from ..panel.universe import UniverseParams
from ..params import InputError, Params
from ..schema import CLOSE, CODE, DATE, SECTOR, VOLUME, target

WEIGHTS, CARD = "weights.safetensors", "model.json"  # the two files of a model's folder


class ModelInputs(Params):
    """What a model is fed, and how that is prepared."""

    scaler: Scaler
    universe: UniverseParams
    graph: GraphParams
    entry_lag: int
    beside: tuple[str, ...]  # columns that the universe and the graph were made from

    @classmethod
    def of(
        cls, schema: pl.Schema, scaler: Scaler, universe: UniverseParams, graph: GraphParams, entry_lag: int
    ) -> Self:
        """Write down what a network was trained on, where the dataset had these columns."""
        returns = CLOSE if CLOSE in schema else target(1)
        beside = tuple(name for name in (SECTOR, returns, VOLUME) if name in schema)
        return cls(scaler=scaler, universe=universe, graph=graph, entry_lag=entry_lag, beside=beside)

    @property
    def columns(self) -> tuple[str, ...]:
        """Name the columns that observations must have."""
        return (DATE, CODE, *self.beside, *self.scaler.names())

    def require_columns(self, columns: Sequence[str]) -> None:
        """Refuse observations that lack a column."""
        missing = [name for name in self.columns if name not in columns]
        if missing:
            raise InputError(
                f"The model needs {len(missing)} columns that the observations do not have: {missing[:8]}. It was "
                f"trained on {len(self.scaler.features)} features of catalogue {self.scaler.feature_hash}."
            )

    def require_features(self, catalogue: FeatureCatalogue, entry_lag: int) -> None:
        """Refuse features that are not those of the training, or that are called alike and made another way."""
        if entry_lag != self.entry_lag:
            raise InputError(
                f"The model forecasts returns from {self.entry_lag} observations ahead on, the dataset's targets begin "
                f"{entry_lag} ahead: features.entry_lag is not the model's."
            )
        if catalogue.hash == self.scaler.feature_hash:
            return
        mine = self.scaler.names()
        lacks = [name for name in mine if name not in catalogue.families]
        more = [name for name in catalogue.families if name not in mine]
        how = f"it lacks {lacks[:5]}, and has {more[:5]} beside them" if lacks or more else "some are defined otherwise"
        raise InputError(
            f"The model needs the {len(mine)} features of catalogue {self.scaler.feature_hash}, the dataset holds "
            f"{len(catalogue.families)} of {catalogue.hash}: {how}. Make the dataset with the model's `features:`."
        )


class MemberCard(Params):
    """One of a model's networks, and the modules that were switched on when it was best."""

    seed: int
    modules: tuple[ModuleName, ...]


class ModelCard(Params):
    """Where a model comes from, what it is worth, and how it is made again from its weights."""

    run: str
    commit: str
    is_dirty: bool
    version: str  # of this package
    panel: str  # the identity of what it was trained on
    score: float | None  # net Sharpe ratio a year of the test days, of the long-short book of its shortest horizon
    network: NetworkParams
    members: tuple[MemberCard, ...]
    horizons: tuple[int, ...]
    edge_attributes: tuple[str, ...]
    inputs: ModelInputs
    corrections: Corrections
    weights: str  # hash of their file
