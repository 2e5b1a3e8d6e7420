"""Small seeded inputs that tests share."""

import os
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import torch

from atft_kedro.features.sets import FeatureParams
from atft_kedro.market.admission import AdmissionParams, admit_prices
from atft_kedro.market.latent import MarketParams
from atft_kedro.market.simulation import SimulatedMarket, simulate_market
from atft_kedro.training.run import Material
from in_project import SMALL, copy_project, kedro
from made import make_material, make_ml_dataset

ROOT = Path(__file__).parent.parent

os.environ["OMP_NUM_THREADS"] = "1"  # noqa: TID251  (for the processes that tests start)
torch.set_num_threads(1)  # and for this one, which has imported torch before


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--real-prices", type=Path, help="A parquet file of real prices, for the tests marked `real`.")


@pytest.fixture
def real_prices(request: pytest.FixtureRequest) -> Path:
    path = request.config.getoption("--real-prices")
    if path is None or not path.exists():
        pytest.skip("needs --real-prices PATH")
    return path


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("project") / "atft")


@pytest.fixture(scope="module")
def ran_project(project: Path) -> Path:
    """Run every stage once."""
    kedro(project, "run", "--params", SMALL)
    return project


@pytest.fixture(scope="session")
def market() -> SimulatedMarket:
    return simulate_market(MarketParams(stocks=30, days=320, seed=11))


@pytest.fixture(scope="session")
def clean_prices(market: SimulatedMarket) -> pl.DataFrame:
    return admit_prices(market.prices.lazy(), AdmissionParams(), date.today())[0]


@pytest.fixture(scope="session")
def ml_dataset(clean_prices: pl.DataFrame) -> pl.DataFrame:
    return make_ml_dataset(clean_prices, FeatureParams())


@pytest.fixture(scope="session")
def material(ml_dataset: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(ml_dataset, tmp_path_factory.mktemp("material") / "panel")
