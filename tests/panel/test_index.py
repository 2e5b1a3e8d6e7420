"""Index of the panel: the row of each stock and day."""

import polars as pl
import pytest

from atft_kedro.panel.index import index_observations
from atft_kedro.panel.universe import UniverseParams, select_universe
from atft_kedro.params import InputError
from factories.params import make_params


def test_the_index_finds_every_row_by_stock_and_day(ml_dataset: pl.DataFrame) -> None:
    universe = select_universe(ml_dataset.lazy(), make_params(UniverseParams)).sample(fraction=1, shuffle=True, seed=1)

    index = index_observations(universe)

    by_stock = ml_dataset.sort("code", "date")
    assert index.rows == ml_dataset.height
    assert index.row_of[index.find(by_stock)].tolist() == list(range(ml_dataset.height))
    assert int(index.eligible.sum()) == universe["eligible"].sum()
    assert ((index.row_of < 0) & index.eligible).sum() == 0
    with pytest.raises(InputError, match="1 rows repeat the date and code of another row"):
        index_observations(pl.concat([universe, universe[:1]]))
