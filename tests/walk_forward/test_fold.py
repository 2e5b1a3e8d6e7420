"""One fold: it sees nothing that comes after its days, and its folder's name tells all that it is made of."""

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

from atft_kedro.market.simulation import SimulatedMarket
from atft_kedro.panel.split import Split
from atft_kedro.params import InputError
from atft_kedro.schema import PRICES
from atft_kedro.training.runs import Runs
from atft_kedro.walk_forward.fold import Fold, History, Recipe, last_day, name_folders, train_fold
from factories.project import ROOT, environment
from factories.walks import SHORT, make_history, make_recipe, splits_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def history(market: SimulatedMarket, tmp_path_factory: pytest.TempPathFactory) -> History:
    return make_history(market.prices, tmp_path_factory.mktemp("fold") / "tables")


@pytest.fixture(scope="module")
def split(history: History) -> Split:
    return splits_of(history)[0]


def shock(prices: pl.DataFrame, after: date) -> pl.DataFrame:
    """Move every price that is later, each stock its own way."""
    factor = 1 + pl.col("code").hash() % 7 / 10 + pl.col("date").dt.day() / 40
    moved = pl.when(pl.col("date") > after).then(factor).otherwise(1.0)
    return prices.with_columns(pl.col(name) * moved for name in PRICES)


def pause(prices: pl.DataFrame, split: Split) -> pl.DataFrame:
    """Stop one stock's trade 40 days before the train days end; it goes on after the fold's last day."""
    first, last = (
        set(prices.filter(pl.col("date") == day)["code"]) for day in (prices["date"].min(), prices["date"].max())
    )
    code = min(first & last)
    since = split.ranges_of("train")[-1].last - timedelta(days=40)
    return prices.filter((pl.col("code") != code) | ~pl.col("date").is_between(since, last_day(split)))


def forecast(prices: pl.DataFrame, split: Split, folder: Path) -> pl.DataFrame:
    history = make_history(prices, folder / "tables")
    fold = Fold.cut(split, history, make_recipe(history))
    home = folder / name_folders([fold], history)[0]
    home.mkdir()
    train_fold(fold, Runs(home, "commit", is_dirty=False), threads=1)
    return pl.read_parquet(home / "forecasts.parquet")


def test_a_fold_whose_tables_another_run_makes_anew_is_refused(
    market: SimulatedMarket, split: Split, tmp_path: Path
) -> None:
    history = make_history(market.prices, tmp_path / "tables")
    fold = Fold.cut(split, history, make_recipe(history))
    home = tmp_path / name_folders([fold], history)[0]
    home.mkdir()
    other = history.dataset.collect().with_columns(pl.col("ret_1") * 2)
    other.write_parquet(tmp_path / "tables" / "dataset.parquet")

    with pytest.raises(InputError, match="the tables or the code have changed since the walk began"):
        train_fold(pickle.loads(pickle.dumps(fold)), Runs(home, "commit", is_dirty=False), threads=1)
    assert [path.name for path in home.iterdir()] == ["lock"]


def test_no_forecast_moves_when_the_days_after_the_fold_change(
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
def test_a_stock_that_pauses_over_the_folds_end_lacks_the_returns_that_end_after_it(
    market: SimulatedMarket, split: Split, tmp_path: Path, entry_lag: int
) -> None:
    history = make_history(pause(market.prices, split), tmp_path / "tables")
    fold = Fold.cut(split, history, replace(make_recipe(history), entry_lag=entry_lag))
    (code,) = fold.pauses

    known, given = (each.collect().sort("code", "date") for each in (fold.known_dataset(), fold.history.dataset))
    paused = pl.col("code") == code
    for horizon in (1, 5, 20):
        name, reach = f"target_{horizon}d", horizon + entry_lag
        expected = given.filter(paused)[name].to_list()[:-reach] + [None] * reach
        assert given.filter(paused)[name].tail(reach).null_count() == 0
        assert known.filter(paused)[name].to_list() == expected
    assert_frame_equal(known.filter(~paused), given.filter(~paused))


def name(history: History, split: Split, recipe: Recipe) -> str:
    return name_folders([Fold.cut(split, history, recipe)], history)[0]


def test_a_fold_is_known_by_its_content_up_to_its_last_day(history: History, split: Split) -> None:
    recipe, end = make_recipe(history), last_day(split)
    now = name(history, split, recipe)

    def moved(day: date) -> History:
        close = pl.when(pl.col("date") == day).then(pl.col("close") * 1.01).otherwise("close")
        return replace(history, dataset=history.dataset.with_columns(close=close))

    days = history.dataset.select(pl.col("date").unique().sort()).collect()["date"]
    shuffled = replace(history, dataset=history.dataset.collect().sample(fraction=1, shuffle=True, seed=1).lazy())
    assert now.startswith(f"{split.ranges_of('test')[0].first}-")
    assert name(history, split.model_copy(update={"name": "fold 9"}), recipe) == now
    assert name(shuffled, split, recipe) == now
    assert name(moved(days.filter(days > end)[0]), split, recipe) == now
    assert name(moved(end), split, recipe) != now
    assert name(replace(history, graphs=history.graphs.filter(pl.col("rank") < 4)), split, recipe) != now
    assert name(replace(history, universe=history.universe.with_columns(eligible=True)), split, recipe) != now


def test_a_fold_is_known_by_what_decides_its_numbers_and_not_by_how_it_is_watched(
    history: History, split: Split
) -> None:
    recipe = make_recipe(history)
    watched = make_recipe(history, SHORT.model_copy(update={"keep_epochs": 9, "log_every": 1}))
    others = [
        make_recipe(history, SHORT.model_copy(update={"seed": 8})),
        replace(recipe, scaler=recipe.scaler.model_copy(update={"clip": 4.0})),
        replace(recipe, network=recipe.network.model_copy(update={"lookback": 11})),
        replace(recipe, entry_lag=1),
    ]

    names = [name(history, split, each) for each in (recipe, watched, *others)]
    assert names[0] == names[1]
    assert len(set(names[1:])) == 5


ASK = """
import polars as pl
from factories.walks import History, make_recipe, splits_of
from atft_kedro.walk_forward.fold import Fold, name_folders
history = History(*(pl.scan_parquet(f"{name}.parquet") for name in ("dataset", "universe", "graphs")))
print(name_folders([Fold.cut(splits_of(history)[0], history, make_recipe(history))], history)[0])
"""


def test_a_fold_is_known_by_the_code_that_it_reaches(market: SimulatedMarket, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    make_history(market.prices, tables)
    copied = tmp_path / "src"
    shutil.copytree(ROOT / "src", copied, ignore=shutil.ignore_patterns("__pycache__"))

    def ask(changed: str | None) -> str:
        if changed is not None:
            with (copied / "atft_kedro" / changed).open("a") as file:
                file.write("\n\nADDED = 1\n")
        paths = f"{copied}:{ROOT / 'tests'}"
        told = subprocess.run(
            [sys.executable, "-c", ASK],
            cwd=tables,
            env=environment(tmp_path) | {"PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=True,
        )
        return told.stdout.split()[-1]

    now = ask(None)
    assert ask("evaluation/score.py") == now
    assert ask("panel/scaler.py") != now
