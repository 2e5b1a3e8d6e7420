"""Test the reasons for which no positions are made."""

import sys

import polars as pl
import pytest

from atft_kedro.params import InputError
from atft_kedro.positions.availability import require_possible
from atft_kedro.positions.plan import PositionParams
from factories.params import make_params

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
