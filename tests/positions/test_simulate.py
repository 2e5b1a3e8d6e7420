"""Test positions from forecasts of a simulated market, through the whole calculation."""

import sys
from typing import Any

import polars as pl
import pytest

from atft_kedro.evaluation.position_score import PositionScore
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import SimulatedMarket, simulate_market
from atft_kedro.params import InputError
from atft_kedro.positions.plan import PositionParams
from atft_kedro.positions.simulate import PositionTables, require_possible, simulate_positions
from atft_kedro.schema import oracle_column
from factories.params import make_params

NONE = pl.DataFrame(schema={"date": pl.Date, "code": pl.String, "return": pl.Float64})
HORIZONS = (1, 5)
QUICK: dict[str, Any] = {"costs": {"flat_bp": 10.0}, "risk": {"window": 60}, "sensitivity": {}}


@pytest.fixture(scope="module")
def market() -> SimulatedMarket:
    return simulate_market(make_params(MarketParams, stocks=60, days=320, seed=3))


def make_forecasts(market: SimulatedMarket) -> pl.DataFrame:
    """Make the oracle's forecasts of 140 validation and 60 test days."""
    days = market.prices["date"].unique().sort()
    end = len(days) - 30
    split = pl.when(pl.col("date") < days[end - 60]).then(pl.lit("validation")).otherwise(pl.lit("test"))
    tables = [
        market.oracle.select("date", "code", pl.col(oracle_column(horizon, 1)).alias("forecast"))
        .drop_nulls()
        .with_columns(horizon=pl.lit(horizon, pl.Int16))
        for horizon in HORIZONS
    ]
    used = pl.concat(tables).filter(pl.col("date").is_between(days[end - 210], days[end - 1]))
    return used.filter(~pl.col("date").is_between(days[end - 70], days[end - 61])).with_columns(split=split)


def simulate(market: SimulatedMarket, forecasts: pl.DataFrame | None = None, **changes: Any) -> PositionTables:
    params = make_params(PositionParams, **{**QUICK, **changes})
    table = make_forecasts(market) if forecasts is None else forecasts
    return simulate_positions(table, market.prices.lazy(), NONE, params)


def get_score(tables: PositionTables) -> PositionScore:
    assert tables.result.score is not None
    return tables.result.score


@pytest.fixture(scope="module")
def result(market: SimulatedMarket) -> PositionTables:
    return simulate(market, sensitivity={"capital": [1e6], "costs": {"flat_bp": [0, 20.0]}, "limits": {"beta": [None]}})


def test_good_forecasts_earn_more_than_their_costs(result: PositionTables) -> None:
    optimised, book = get_score(result).optimised, get_score(result).books[5]

    assert get_score(result).best_book in HORIZONS
    assert optimised.net_sharpe is not None
    assert optimised.net_sharpe > 1
    assert optimised.unsolved == 0
    for portfolio in (optimised, book):
        assert portfolio.turnover is not None
        assert portfolio.costs["commission"] == pytest.approx(1e-3 * portfolio.turnover, rel=0.02)
        assert sum(portfolio.costs.values()) == portfolio.costs["commission"]


def test_the_sensitivity_has_the_ratio_of_every_value_and_of_the_own_one(
    result: PositionTables, market: SimulatedMarket
) -> None:
    score = get_score(result)
    costs = score.sensitivity["costs.flat_bp"]
    alone = get_score(simulate(market, costs={"flat_bp": 20.0}))

    assert score.own_values == {"capital": "10000000", "costs.flat_bp": "10", "limits.beta": "0.1"}
    assert set(score.sensitivity["capital"]) == {"1000000", "10000000"}
    assert set(score.sensitivity["limits.beta"]) == {"null", "0.1"}
    assert costs["10"] == score.optimised.net_sharpe
    assert costs["20"] == alone.optimised.net_sharpe
    assert set(costs) == {"0", "10", "20"}


@pytest.mark.parametrize(
    ("sensitivity", "message"),
    [
        ({"costs": {"flat": [1]}}, r"sensitivity.costs.flat is not a list of values .*; did you mean costs.flat_bp"),
        ({"capital": 5.0}, "sensitivity.capital is not a list of values"),
        ({"capital": [-1.0]}, "greater than 0"),
    ],
)
def test_a_changed_parameter_that_does_not_exist_or_is_wrong_is_refused(
    sensitivity: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_params(PositionParams, sensitivity=sensitivity)


@pytest.mark.long
def test_positions_have_a_higher_net_sharpe_ratio_than_the_best_decile_book() -> None:
    market = simulate_market(make_params(MarketParams, stocks=300, days=600, seed=5))

    score = get_score(simulate(market, risk={"window": 120}))

    assert score.sharpe_ratio is not None
    assert score.sharpe_ratio > 1


def test_days_and_portfolios_are_complete(result: PositionTables, market: SimulatedMarket) -> None:
    days = market.prices["date"].unique().sort()

    assert result.daily["portfolio"].unique().sort().to_list() == [
        *("book 1", "book 5", "capital = 1000000", "costs.flat_bp = 0", "costs.flat_bp = 20"),
        *("limits.beta = null", "optimised"),
    ]
    for (_,), table in result.daily.group_by("portfolio"):
        assert table.sort("date")["date"].to_list() == days[230:290].to_list()
    parts = result.daily.select(total=pl.col("factor") + pl.col("specific"), gross="gross")
    assert (parts["total"] - parts["gross"]).abs().max() < 1e-12


def test_later_prices_change_no_earlier_position(result: PositionTables, market: SimulatedMarket) -> None:
    day = market.prices["date"].unique().sort()[270]
    shock = pl.when(pl.col("date") > day).then(3.0).otherwise(1.0)
    prices = market.prices.with_columns(pl.col("open", "high", "low", "close", "volume") * shock)

    params = make_params(PositionParams, **QUICK)
    changed = simulate_positions(make_forecasts(market), prices.lazy(), NONE, params)

    for table in ("weights", "daily"):
        one, other = (getattr(item, table).filter(pl.col("date") <= day) for item in (result, changed))
        if table == "daily":
            one = one.filter(~pl.col("portfolio").str.contains("="))
        assert one.equals(other)


def test_reversed_forecasts_open_nothing_because_validation_days_show_their_worth(market: SimulatedMarket) -> None:
    forecasts = make_forecasts(market).with_columns(-pl.col("forecast"))

    reversed_ = simulate(market, forecasts)

    assert [fold.slopes for fold in reversed_.calibrations.folds] == [dict.fromkeys(HORIZONS, (0.0,))]
    assert get_score(reversed_).optimised.gross_exposure < 0.01  # type: ignore[operator]


def test_days_long_after_the_last_forecast_are_not_scored(market: SimulatedMarket) -> None:
    days = market.prices["date"].unique().sort()
    first, last = days[len(days) - 80], days[len(days) - 45]
    forecasts = make_forecasts(market).filter(~pl.col("date").is_between(first, last))

    result = simulate(market, forecasts)

    scored = result.daily.filter(portfolio="optimised")["date"]
    assert len(scored) == 60 - 36 + max(HORIZONS)
    assert scored.filter(scored > last).len() == 14


def test_forecasts_without_test_days_are_refused(market: SimulatedMarket) -> None:
    with pytest.raises(InputError, match="Positions need forecasts of test days"):
        simulate(market, make_forecasts(market).filter(pl.col("split") == "validation"))


def test_the_score_names_the_return_of_delisted_stocks(result: PositionTables) -> None:
    assert "earns +0% on the day after its last price (positions.delisting_return)" in get_score(result).delisting_note


def test_days_that_several_folds_test_have_no_single_series_of_positions(market: SimulatedMarket) -> None:
    forecasts = make_forecasts(market).with_columns(fold=pl.lit("one"))
    again = forecasts.filter(split="test").with_columns(fold=pl.lit("two"))

    with pytest.raises(InputError, match="Several folds test the same day"):
        simulate_positions(
            pl.concat([forecasts, again]), market.prices.lazy(), NONE, make_params(PositionParams, **QUICK), "fold"
        )


COLUMNS = ("open", "high", "low", "close", "volume")
PRICES = pl.LazyFrame(schema={"date": pl.Date, "code": pl.String, **dict.fromkeys(COLUMNS, pl.Float64)})


def find_obstacle(dataset: pl.LazyFrame, params: PositionParams) -> str | None:
    try:
        require_possible(dataset, params)
    except InputError as error:
        return str(error)
    return None


def test_with_closes_positions_are_possible() -> None:
    assert find_obstacle(PRICES, make_params(PositionParams, enabled=True)) is None


def test_positions_that_are_not_wanted_are_not_made() -> None:
    assert find_obstacle(PRICES, make_params(PositionParams, enabled=False)) == "positions.enabled is false."


def test_a_dataset_without_closes_is_no_error() -> None:
    reason = find_obstacle(PRICES.drop("close"), make_params(PositionParams, enabled=True))

    assert reason is not None
    assert "has no column 'close', which values the positions. Name it under `columns:` in conf/." in reason


def test_impact_needs_volumes() -> None:
    params = make_params(PositionParams, enabled=True)
    free = [make_params(PositionParams, enabled=True, costs=change) for change in ({"impact": 0}, {"flat_bp": 10})]

    assert "has no column 'volume'" in (find_obstacle(PRICES.drop("volume"), params) or "")
    assert [find_obstacle(PRICES.drop("volume"), cheap) for cheap in free] == [None, None]


@pytest.mark.parametrize("column", ["high", "low"])
def test_the_estimate_of_spreads_needs_highs_and_lows(column: str) -> None:
    stated = [make_params(PositionParams, enabled=True, costs=c) for c in ({"half_spread_bp": [5]}, {"flat_bp": 10})]
    reason = find_obstacle(PRICES.drop(column), make_params(PositionParams, enabled=True))

    assert reason is not None
    assert f"has no column '{column}'" in reason
    assert reason.endswith("or set positions.costs.half_spread_bp to numbers.")
    assert [find_obstacle(PRICES.drop(column), params) for params in stated] == [None, None]


@pytest.mark.parametrize("entry", ["next_open", "next_close", "close"])
def test_only_orders_at_the_open_need_opens(entry: str) -> None:
    reason = find_obstacle(PRICES.drop("open"), make_params(PositionParams, enabled=True, entry=entry))

    assert (reason is None) == (entry != "next_open")
    assert entry != "next_open" or "has no column 'open', which positions.entry=next_open needs" in (reason or "")


def test_without_the_optimiser_the_reason_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    monkeypatch.setattr(sys, "path", [])
    for name in [name for name in sys.modules if name.partition(".")[0] == "cvxpy"]:
        monkeypatch.delitem(sys.modules, name)

    assert (find_obstacle(PRICES, make_params(PositionParams, enabled=True)) or "").endswith(
        "pip install 'atft-kedro[positions]'"
    )
