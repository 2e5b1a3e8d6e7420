"""Test the figures of positions, compared with their days and score."""

import numpy as np
import polars as pl
import pytest

from atft_kedro.evaluation.position_score import POSITION_DAYS_SCHEMA, PositionResult
from atft_kedro.reporting.html_pages import has_content
from atft_kedro.reporting.position_figures import (
    POSITION_FIGURES,
    plot_costs,
    plot_exposure,
    plot_position_equity,
    plot_positions,
    plot_sensitivity,
)
from factories.position_days import make_position_score, make_random_days

SCORE, DAYS = make_position_score(), make_random_days()


def test_the_equity_ends_at_the_compounded_net_return_and_the_lowest_drawdown_is_that_of_the_score() -> None:
    figure = plot_position_equity(SCORE, DAYS)
    own = DAYS.filter(portfolio="optimised")
    traces = [trace for trace in figure.data if trace.name == "optimised"]
    books = {trace.name: trace.visible for trace in figure.data if trace.name.startswith("decile")}

    assert traces[0].y[-1] == pytest.approx(100 * (np.prod(1 + own["net"].to_numpy()) - 1))
    assert -min(traces[1].y) / 100 == pytest.approx(SCORE.optimised.drawdown)
    assert books == {"decile book, 1 d": "legendonly", "decile book, 5 d": True}


def test_bars_of_costs_are_the_mean_costs_below_the_gross_return() -> None:
    *bars, gross = plot_costs(SCORE, DAYS).data

    assert [bar.y[1] for bar in bars] == pytest.approx([2.0, 1.0, 0.0, 0.5])
    assert gross.y[0] == pytest.approx(1e4 * (SCORE.optimised.gross_mean or 0))


def test_values_of_changed_parameters_are_drawn_in_their_order_with_a_diamond_on_the_own_one() -> None:
    capital = {"10000000": 1.1, "100000000": 0.4, "2000000": 3.1, "1000000000": None}
    limit = {"0.1": 1.1, "null": 0.9, "0.05": 0.2}
    own_values = {"capital": "10000000", "limits.beta": "0.1"}

    figure = plot_sensitivity(
        SCORE.model_copy(update={"sensitivity": {"capital": capital, "limits.beta": limit}, "own_values": own_values}),
        DAYS,
    )
    alone = SCORE.model_copy(update={"sensitivity": {"capital": {"1": 2.0, "2": None}}, "own_values": {"capital": "1"}})

    line, diamond, other, _ = figure.data
    assert line.x == ("2000000", "10000000", "100000000", "1000000000")
    assert line.y == (3.1, 1.1, 0.4, None)
    assert (diamond.x, diamond.y) == (("10000000",), (1.1,))
    assert other.x == ("0.05", "0.1", "null")
    assert not has_content(plot_sensitivity(alone, DAYS))


def test_exposure_is_that_of_the_optimised_positions() -> None:
    gross, net, *turnovers = plot_exposure(SCORE, DAYS).data

    assert (set(gross.y), set(net.y)) == ({1.0}, {0.1})
    assert len(turnovers) == 3


def test_without_a_score_the_figures_are_empty() -> None:
    empty = plot_positions(PositionResult(), pl.LazyFrame(schema=POSITION_DAYS_SCHEMA))
    full = plot_positions(PositionResult(score=SCORE), DAYS.lazy())

    assert len(empty) == len(POSITION_FIGURES) == len(full)
    assert not any(map(has_content, empty))
    assert all(map(has_content, full))
