"""Share a panel with a split, and the keys that a network forecasts on it."""

import polars as pl
import pytest

from atft_kedro.evaluation.observations import Observations, read_observations
from atft_kedro.panel.blocks import no_graphs
from atft_kedro.panel.split import SplitParams, split_days
from atft_kedro.training.data import TrainingData
from factories.datasets import make_panel
from factories.params import make_params


@pytest.fixture(scope="session")
def training_data(ml_dataset: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    panel = make_panel(ml_dataset, tmp_path_factory.mktemp("panel"))
    split = split_days(panel.days, make_params(SplitParams, train=0.6, validation=0.2, embargo_days=0), 20)
    return TrainingData(panel, no_graphs(panel), split)


@pytest.fixture(scope="session")
def keys(training_data: TrainingData) -> pl.DataFrame:
    """List all keys that a network would forecast."""
    tables = []
    for split in ("train", "validation", "test"):
        rows = Observations.join(list(read_observations(training_data, split, "gaussian_rank")))
        columns = {"date": training_data.panel.days[rows.day.numpy()], "stock": rows.stock.numpy()}
        codes = pl.Series(training_data.panel.metadata.codes)
        tables += [
            pl.DataFrame(columns).select(
                "date", code=codes.gather(rows.stock.numpy()), split=pl.lit(split), horizon=pl.lit(horizon, pl.Int16)
            )
            for horizon in (1, 5)
        ]
    return pl.concat(tables)
