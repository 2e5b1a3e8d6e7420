"""One fold: it does not use later days, and its folder's name identifies its content."""

import pickle
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.features.build import FeatureParams
from atft_kedro.market.simulation import SimulatedMarket
from atft_kedro.panel.split import Split
from atft_kedro.params import InputError
from atft_kedro.schema import PRICES
from atft_kedro.training.runs import Runs
from atft_kedro.walk_forward.fold import Fold, FoldRecipe, MarketTables, last_day, name_folders, train_fold
from factories.datasets import delist, make_ml_dataset
from factories.params import make_params
from factories.project import ROOT, environment
from factories.walks import SHORT, make_recipe, make_splits, write_tables

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tables(market: SimulatedMarket, tmp_path_factory: pytest.TempPathFactory) -> MarketTables:
    return write_tables(market.prices, tmp_path_factory.mktemp("fold") / "tables")


@pytest.fixture(scope="module")
def split(tables: MarketTables) -> Split:
    return make_splits(tables)[0]


def shock(prices: pl.DataFrame, after: date) -> pl.DataFrame:
    """Change every later price, by a different factor for each stock."""
    factor = 1 + pl.col("code").hash() % 7 / 10 + pl.col("date").dt.day() / 40
    moved = pl.when(pl.col("date") > after).then(factor).otherwise(1.0)
    return prices.with_columns(pl.col(name) * moved for name in PRICES)


def pause(prices: pl.DataFrame, split: Split) -> pl.DataFrame:
    """Remove one stock from 40 days before the last train day to the fold's last day."""
    first, last = (
        set(prices.filter(pl.col("date") == day)["code"]) for day in (prices["date"].min(), prices["date"].max())
    )
    code = min(first & last)
    since = split.ranges_of("train")[-1].last - timedelta(days=40)
    return prices.filter((pl.col("code") != code) | ~pl.col("date").is_between(since, last_day(split)))


def forecast(prices: pl.DataFrame, split: Split, folder: Path) -> pl.DataFrame:
    tables = write_tables(prices, folder / "tables")
    fold = Fold.from_tables(split, tables, make_recipe(tables))
    fold_folder = folder / name_folders([fold], tables)[0]
    fold_folder.mkdir()
    train_fold(fold, Runs(fold_folder, "commit", is_dirty=False), threads=1)
    return pl.read_parquet(fold_folder / "forecasts.parquet")


def test_a_fold_is_refused_after_another_run_has_changed_its_tables(
    market: SimulatedMarket, split: Split, tmp_path: Path
) -> None:
    tables = write_tables(market.prices, tmp_path / "tables")
    fold = Fold.from_tables(split, tables, make_recipe(tables))
    fold_folder = tmp_path / name_folders([fold], tables)[0]
    fold_folder.mkdir()
    other = tables.dataset.collect().with_columns(pl.col("ret_1") * 2)
    other.write_parquet(tmp_path / "tables" / "dataset.parquet")

    with pytest.raises(InputError, match="the tables or the code have changed since the walk started"):
        train_fold(pickle.loads(pickle.dumps(fold)), Runs(fold_folder, "commit", is_dirty=False), threads=1)
    assert [path.name for path in fold_folder.iterdir()] == ["lock"]


def test_no_forecast_changes_when_the_days_after_the_fold_change(
    market: SimulatedMarket, split: Split, tmp_path: Path
) -> None:
    end = last_day(split)
    prices = pause(market.prices, split)
    one = forecast(prices, split, tmp_path / "one")
    other = forecast(shock(prices, end), split, tmp_path / "other")
    control = forecast(shock(prices, end - timedelta(days=10)), split, tmp_path / "control")

    assert prices["date"].max() > end + timedelta(days=60)  # type: ignore[operator]
    assert one["date"].max() == end
    assert_frame_equal(one, other, check_exact=True)
    same = one["forecast"].eq(control["forecast"])
    assert not same.all()
    assert_frame_equal(one.filter(split="validation"), control.filter(split="validation"), check_exact=True)


@pytest.mark.parametrize("entry_lag", [0, 1])
def test_a_stock_that_pauses_over_the_folds_end_has_no_returns_that_end_after_it(
    market: SimulatedMarket, split: Split, tmp_path: Path, entry_lag: int
) -> None:
    tables = write_tables(pause(market.prices, split), tmp_path / "tables")
    fold = Fold.from_tables(split, tables, replace(make_recipe(tables), entry_lag=entry_lag))
    (code,) = fold.pauses

    masked, unmasked = (
        dataset.collect().sort("code", "date") for dataset in (fold.mask_future_targets(), fold.tables.dataset)
    )
    paused = pl.col("code") == code
    for horizon in (1, 5, 20):
        name, reach = f"target_{horizon}d", horizon + entry_lag
        expected = unmasked.filter(paused)[name].to_list()[:-reach] + [None] * reach
        assert unmasked.filter(paused)[name].tail(reach).null_count() == 0
        assert masked.filter(paused)[name].to_list() == expected
    assert_frame_equal(masked.filter(~paused), unmasked.filter(~paused))


@pytest.mark.parametrize("entry_lag", [0, 1])
def test_a_last_return_that_is_earned_after_the_folds_last_day_is_unknown(
    clean_prices: pl.DataFrame, tables: MarketTables, split: Split, entry_lag: int
) -> None:
    early, late = (last_day(split) + timedelta(days=days) for days in (0, 1))
    delistings = delist(clean_prices, -1.0, -0.3).with_columns(date=pl.Series([early, late]))
    features = make_params(FeatureParams, entry_lag=entry_lag, horizons=(1, 5))
    dataset, without = (make_ml_dataset(clean_prices, features, table) for table in (delistings, None))
    recipe = replace(make_recipe(tables), entry_lag=entry_lag)
    assert dataset.filter(pl.col("delisting_date") > pl.col("date").max().over("code"))["code"].n_unique() == 2

    fold = Fold.from_tables(split, replace(tables, dataset=dataset.lazy()), recipe)

    masked = fold.mask_future_targets().drop("delisting_date").collect()
    is_late = pl.col("code") == delistings["code"][1]
    expected = pl.concat([dataset.drop("delisting_date").filter(~is_late), without.filter(is_late)])
    expected = expected.filter(pl.col("date") <= last_day(split)).sort("date", "code")
    assert_frame_equal(masked, expected, check_exact=True)
    assert not expected.equals(without.filter(pl.col("date") <= last_day(split)))


def name_folder(tables: MarketTables, split: Split, recipe: FoldRecipe) -> str:
    return name_folders([Fold.from_tables(split, tables, recipe)], tables)[0]


def test_the_folder_name_depends_on_the_content_up_to_the_last_day(tables: MarketTables, split: Split) -> None:
    recipe, end = make_recipe(tables), last_day(split)
    now = name_folder(tables, split, recipe)

    def moved(day: date) -> MarketTables:
        close = pl.when(pl.col("date") == day).then(pl.col("close") * 1.01).otherwise("close")
        return replace(tables, dataset=tables.dataset.with_columns(close=close))

    days = tables.dataset.select(pl.col("date").unique().sort()).collect()["date"]
    shuffled = replace(tables, dataset=tables.dataset.collect().sample(fraction=1, shuffle=True, seed=1).lazy())
    assert now.startswith(f"{split.ranges_of('test')[0].first}-")
    assert name_folder(tables, split.model_copy(update={"name": "fold 9"}), recipe) == now
    assert name_folder(shuffled, split, recipe) == now
    assert name_folder(moved(days.filter(days > end)[0]), split, recipe) == now
    assert name_folder(moved(end), split, recipe) != now
    assert name_folder(replace(tables, graphs=tables.graphs.filter(pl.col("rank") < 4)), split, recipe) != now
    assert name_folder(replace(tables, universe=tables.universe.with_columns(eligible=True)), split, recipe) != now


def test_the_folder_name_depends_on_parameters_but_not_on_logging(tables: MarketTables, split: Split) -> None:
    recipe = make_recipe(tables)
    logged = make_recipe(tables, SHORT.model_copy(update={"keep_epochs": 9, "log_every": 1}))
    others = [
        make_recipe(tables, SHORT.model_copy(update={"seed": 8})),
        replace(recipe, scaler=recipe.scaler.model_copy(update={"clip": 4.0})),
        replace(recipe, network=recipe.network.model_copy(update={"lookback": 11})),
        replace(recipe, entry_lag=1),
    ]

    names = [name_folder(tables, split, variant) for variant in (recipe, logged, *others)]
    assert names[0] == names[1]
    assert len(set(names[1:])) == 5


SCRIPT = """
import polars as pl
from factories.walks import MarketTables, make_recipe, make_splits
from atft_kedro.walk_forward.fold import Fold, name_folders
tables = MarketTables(*(pl.scan_parquet(f"{name}.parquet") for name in ("dataset", "universe", "graphs")))
print(name_folders([Fold.from_tables(make_splits(tables)[0], tables, make_recipe(tables))], tables)[0])
"""


def test_the_folder_name_depends_on_the_code_that_the_fold_uses(market: SimulatedMarket, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    write_tables(market.prices, tables)
    copied = tmp_path / "src"
    shutil.copytree(ROOT / "src", copied, ignore=shutil.ignore_patterns("__pycache__"))

    def run_script(changed: str | None) -> str:
        if changed is not None:
            with (copied / "atft_kedro" / changed).open("a") as file:
                file.write("\n\nADDED = 1\n")
        paths = f"{copied}:{ROOT / 'tests'}"
        result = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=tables,
            env=environment(tmp_path) | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=True,
        )
        return result.stdout.split()[-1]

    now = run_script(None)
    assert run_script("evaluation/score.py") == now
    assert run_script("panel/scaler.py") != now
