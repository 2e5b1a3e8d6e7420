"""Small seeded inputs that tests share."""

import fcntl
import os
import shutil
from collections.abc import Generator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
import torch

from atft_kedro.features.build import FeatureParams
from atft_kedro.market.cleaning import CleaningParams, clean_price_table
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import SimulatedMarket, simulate_market
from atft_kedro.training.data import TrainingData
from factories.datasets import make_ml_dataset, make_training_data
from factories.params import make_params
from factories.project import SMALL, copy_project, kedro

pytest_plugins = ["factories.exported_run"]

ROOT = Path(__file__).parent.parent

os.environ["OMP_NUM_THREADS"] = "1"  # noqa: TID251  (for the processes that tests start)
torch.set_num_threads(1)  # and for this one, which has imported torch before


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--real-prices", type=Path, help="A parquet file of real prices, for the tests marked `real`.")
    parser.addoption("--require-tools", action="store_true", help="Fail where a browser or a database is missing.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow tests first, and of these the tests of the whole project, so that no worker ends late."""
    items.sort(key=lambda item: (item.get_closest_marker("slow") is None, len(item.path.parts)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With ``--require-tools``, fail a test that was skipped because a tool is missing ("needs ...")."""
    report = yield
    if report.skipped and item.config.getoption("--require-tools") and item.get_closest_marker("real") is None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        if reason.startswith("Skipped: needs "):
            report.outcome, report.longrepr = "failed", reason
    return report


@pytest.fixture
def real_prices(request: pytest.FixtureRequest) -> Path:
    path = request.config.getoption("--real-prices")
    if path is None or not path.exists():
        pytest.skip("needs --real-prices PATH")
    return path


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """A copy of the project's configuration, without anybody's own."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    (tmp_path / "conf" / "local").mkdir()
    return tmp_path / "conf"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_project(tmp_path_factory.mktemp("project") / "atft")


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """Run every stage once, in one copy of the project for all test processes."""
    base = tmp_path_factory.getbasetemp()
    project = (base if worker_id == "master" else base.parent) / "first_run"
    with project.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not project.exists():
            kedro(copy_project(project), "run", "--params", SMALL)
    return project


@pytest.fixture(scope="module")
def ran_project(first_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy a project in which every stage has run."""
    return Path(shutil.copytree(first_run, tmp_path_factory.mktemp("project") / "atft", symlinks=True))


@pytest.fixture(scope="session")
def market() -> SimulatedMarket:
    return simulate_market(make_params(MarketParams, stocks=30, days=320, seed=11))


@pytest.fixture(scope="session")
def clean_prices(market: SimulatedMarket) -> pl.DataFrame:
    return clean_price_table(market.prices.lazy(), make_params(CleaningParams), date.today())[0]


@pytest.fixture(scope="session")
def ml_dataset(clean_prices: pl.DataFrame) -> pl.DataFrame:
    return make_ml_dataset(clean_prices, make_params(FeatureParams))


@pytest.fixture(scope="session")
def training_data(ml_dataset: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    return make_training_data(ml_dataset, tmp_path_factory.mktemp("material") / "panel")
