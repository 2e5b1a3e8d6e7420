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
    with pytest.raises(InputError, match="1 rows of the ML dataset repeat the date and code of another row"):
        index_observations(pl.concat([universe, universe[:1]]))


@pytest.mark.parametrize("change", [{"code": pl.lit("UNKNOWN")}, {"date": pl.col("date").dt.offset_by("100y")}])
def test_rows_outside_the_universe_are_refused(ml_dataset: pl.DataFrame, change: dict[str, pl.Expr]) -> None:
    index = index_observations(select_universe(ml_dataset.lazy(), make_params(UniverseParams)))

    with pytest.raises(InputError, match="1 rows of the ML dataset have a date or code that is not in the universe"):
        index.find(pl.concat([ml_dataset, ml_dataset[:1].with_columns(**change)]))
