"""The card of an exported model (`model.json`): its network, inputs, score, and the run that it is from."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import polars as pl
from pydantic import Field

from ..evaluation.conformal import Corrections
from ..features.build import FeatureParams
from ..features.feature import describe_columns
from ..files import parse_model, read_json
from ..graph.neighbours import KINDS, GraphParams
from ..guard.calendars import WEEKDAYS
from ..market.cleaning import CleaningParams
from ..network.params import GATV2, ModuleName, NetworkParams
from ..panel.scaler import FeatureCatalogue, Scaler
from ..panel.universe import UniverseParams
from ..params import InputError, MissingPluginError, Params
from ..plugins import Kind, hash_plugin
from ..schema import CLOSE, CODE, DATE, EDGE_ATTRIBUTES, KEY, QUOTES, SECTOR, VOLUME, target

WEIGHTS_FILE, CARD_FILE = "weights.safetensors", "model.json"  # the two files of a model folder

_logger = logging.getLogger(__name__)


class PriceInputs(Params):
    """The columns of a model's prices, and the parameters that compute its features from them.

    ``columns`` are required: those with a known value in the training. ``usual_stocks`` is the number of stocks on a
    day of the training. Before the close of the exchange ``calendar``, prices of the current day are excluded.
    """

    columns: tuple[str, ...]
    features: FeatureParams
    cleaning: CleaningParams
    max_unknown_features: float
    usual_stocks: int
    calendar: str = WEEKDAYS
    time_zone: str | None = None


class ModelInputs(Params):
    """The inputs of a model and the parameters that prepare them.

    ``extra_columns`` are the columns besides features that the universe and the graph read, if the dataset has them.
    """

    scaler: Scaler
    universe: UniverseParams
    graph: GraphParams
    entry_lag: int
    extra_columns: tuple[str, ...]
    codes: tuple[str, ...] = ()  # of the stocks in the training's panel; none in older exports
    prices: PriceInputs | None = None  # None for features that this project did not compute, and in older exports

    @classmethod
    def from_schema(
        cls, schema: pl.Schema, scaler: Scaler, universe: UniverseParams, graph: GraphParams, entry_lag: int
    ) -> Self:
        """Collect the inputs except the codes; ``schema`` is that of the dataset."""
        return_source_column = CLOSE if CLOSE in schema else target(1)
        extra_columns = tuple(name for name in (SECTOR, return_source_column, VOLUME) if name in schema)
        return cls(scaler=scaler, universe=universe, graph=graph, entry_lag=entry_lag, extra_columns=extra_columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """List the columns that observations must have."""
        return (DATE, CODE, *self.extra_columns, *self.scaler.names())

    def are_computed_by(self, params: FeatureParams) -> bool:
        """Return whether the features are the project's, with the definitions of ``params``."""
        names, declared = self.scaler.names(), params.features()
        is_declared = {*names} <= {feature.name for feature in declared} and CLOSE in self.extra_columns
        return is_declared and describe_columns(names, declared)["hash"] == self.scaler.feature_hash

    def require_prices(self) -> PriceInputs:
        """Return what turns prices into features; refuse a model for which it is unknown."""
        if self.prices is None:
            raise InputError(
                "This model forecasts from observations, not from prices: its features were not computed by this "
                "project, or it was exported by an earlier version (then export the run again)."
            )
        return self.prices

    def require_columns(self, columns: Sequence[str]) -> None:
        """Refuse observations that lack a column."""
        missing = [name for name in self.columns if name not in columns]
        if missing:
            raise InputError(
                f"The observations lack {len(missing)} columns that the model needs: {missing[:8]}. It was trained on "
                f"{len(self.scaler.features)} features of catalogue {self.scaler.feature_hash}."
            )

    def require_same_features(self, catalogue: FeatureCatalogue, entry_lag: int) -> None:
        """Refuse a dataset with other features, feature definitions or entry lag than the model's."""
        if entry_lag != self.entry_lag:
            raise InputError(f"features.entry_lag is {entry_lag}, but the model was trained with {self.entry_lag}.")
        if catalogue.hash == self.scaler.feature_hash:
            return
        names = self.scaler.names()
        missing = [name for name in names if name not in catalogue.families]
        added = [name for name in catalogue.families if name not in names]
        if missing or added:
            difference = f"missing in the dataset: {missing[:5]}, unknown to the model: {added[:5]}"
        else:
            difference = "the names are the same, but the definitions differ"
        raise InputError(
            f"The model needs the {len(names)} features of catalogue {self.scaler.feature_hash}, the dataset has "
            f"{len(catalogue.families)} of {catalogue.hash}: {difference}. Build it with the model's `features:`."
        )


class MemberCard(Params):
    """One network of the ensemble: its seed, and the modules switched on at its best epoch."""

    seed: int
    modules: tuple[ModuleName, ...]


class ModelCard(Params):
    """The origin, score and configuration of a model."""

    run: str  # name
    commit: str  # of the code that trained it
    is_dirty: bool  # the code had uncommitted changes
    version: str  # version of this package
    panel: str  # hash of the panel that it was trained on
    score: float | None  # net Sharpe ratio (annualised) of the long-short portfolio, shortest horizon, test days
    network: NetworkParams
    members: tuple[MemberCard, ...]
    horizons: tuple[int, ...]
    edge_attributes: tuple[str, ...]
    inputs: ModelInputs
    corrections: Corrections
    weights_sha256: str  # of the weights file
    recipe_run: str | None = None  # of a refit: the run whose score and corrections these are
    plugins: dict[str, str] = Field(default_factory=dict)  # those of the training, with the hashes of their sources

    def require_plugins(self) -> None:
        """Refuse a model with a plug-in that the reader lacks; warn of one with another source."""
        prices, layer, graph = self.inputs.prices, self.network.graph_layer, self.inputs.graph.kind
        needed: dict[str, Kind] = dict.fromkeys(prices.features.extra if prices else (), "features")
        needed |= {} if graph in KINDS else {graph: "graphs"}
        needed |= {} if layer == GATV2 else {layer: "graph_layers"}
        for name, kind in needed.items():
            if hash_plugin(name, kind) != self.plugins.get(name):
                _logger.warning("the plug-in %s has another source than in the training of run %s", name, self.run)


def find_price_columns(dataset: pl.LazyFrame) -> tuple[str, ...]:
    """List the price columns that have a known value in an ML dataset."""
    present = [name for name in (SECTOR, *QUOTES) if name in dataset.collect_schema()]
    known = dataset.select(pl.col(present).count()).collect().row(0, named=True)
    return (*KEY, *(name for name in present if known[name]))


def read_card(path: Path) -> ModelCard:
    """Read a model's card; refuse one that is missing, invalid or has other edge attributes."""
    if not path.exists():
        raise InputError(f"{path.parent} is not an exported model: it has no {path.name}.")
    try:
        card = parse_model(read_json(path), ModelCard, path)
    except MissingPluginError:
        raise
    except InputError as error:
        raise InputError(f"{error} Export the run again.") from error
    if card.edge_attributes != EDGE_ATTRIBUTES:
        raise InputError(
            f"{path}: the model has the edge attributes {card.edge_attributes}, not {EDGE_ATTRIBUTES}. "
            "Export the run again."
        )
    return card
