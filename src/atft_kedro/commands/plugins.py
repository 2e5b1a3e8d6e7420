"""``kedro atft check-plugins``: check every plug-in that the configuration names."""

from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from types import FunctionType
from typing import Any

import click
from kedro.io import CatalogProtocol
from rich.table import Table

from ..params import InputError
from ..plugins import Kind, load_plugin
from .command_helpers import pass_catalog
from .console import make_console

STOCKS = 30  # of the simulated market on which features are checked
EXTRA_DAYS = 200  # of that market, in addition to the longest lookback


@click.command(name="check-plugins")
@pass_catalog
def check_plugins(catalog: CatalogProtocol) -> None:
    """Check the plug-ins that the configuration names.

    Features are computed on a simulated market with changed later prices, and with scaled prices. Losses are computed
    with their gradients, on random forecasts. Graph layers are computed with other orders of stocks. Of baselines and
    graphs only the names are checked.
    """
    table, faults = Table("plug-in", "kind", "result"), []
    for name, kind, check in _list_checks(catalog):
        try:
            check()
            table.add_row(name, kind, "[green]ok[/]")
        except InputError as error:
            table.add_row(name, kind, str(error))
            faults.append(name)
    make_console().print(table)
    if faults:
        raise InputError(f"{len(faults)} plug-in(s) cannot be used: {', '.join(faults)}.")


def _list_checks(catalog: CatalogProtocol) -> Iterator[tuple[str, Kind, Callable[[], object]]]:
    """List the plug-ins of all parameter blocks with their checks."""
    from ..evaluation.baselines import NAMES
    from ..graph.neighbours import KINDS
    from ..network.convolution import require_usable_layer
    from ..network.gat import make_graph_layer
    from ..network.params import GATV2
    from ..schema import EDGE_ATTRIBUTES

    features, training, baselines, graph, network = (
        catalog[f"params:{block}"].load() for block in ("features", "training", "baselines", "graph", "network")
    )
    for name in features.extra:
        yield name, "features", partial(_check_features, catalog, name)
    for loss in sorted({*training.losses.extra, *(name for phase in training.curriculum for name in phase.loss.extra)}):
        plugin = training.losses.extra.get(loss, loss)
        yield plugin, "losses", partial(_check_loss, training, loss)
    for name in [name for name in baselines.names if name not in NAMES]:
        yield name, "baselines", partial(load_plugin, name, "baselines", FunctionType)
    if graph.kind not in KINDS:
        yield graph.kind, "graphs", partial(load_plugin, graph.kind, "graphs", FunctionType)
    if (layer := network.graph_layer) != GATV2:
        size = len(EDGE_ATTRIBUTES)
        yield layer, "graph_layers", lambda: require_usable_layer(make_graph_layer(network, size), network, size)


def _check_loss(training: Any, name: str) -> None:
    """Refuse a loss that a training would refuse."""
    from ..loss_checks import require_usable

    require_usable(training.losses.load([name]))


def _check_features(catalog: CatalogProtocol, name: str) -> None:
    """Refuse a list of features that the guard would refuse."""
    from ..features.checks import find_feature_faults
    from ..market.cleaning import clean_price_table
    from ..market.simulated_drivers import MarketParams
    from ..market.simulation import simulate_market

    params: Any = catalog["params:features"].load().model_copy(update={"extra": (name,)})
    days = max(feature.lookback for feature in params.features()) + EXTRA_DAYS
    market = MarketParams.model_validate({**catalog["params:market"].load(), "stocks": STOCKS, "days": days})
    prices, _ = clean_price_table(
        simulate_market(market).prices.lazy(), catalog["params:cleaning"].load(), date.today()
    )
    faults = find_feature_faults(prices.lazy(), params)
    if faults:
        raise InputError("; ".join(f"{feature} {fault}" for feature, fault in faults.items()))
