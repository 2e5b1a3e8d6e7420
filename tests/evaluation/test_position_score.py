import json
import math
from statistics import mean, stdev

import polars as pl
import pytest

from atft_kedro.evaluation.position_score import PositionScore, score_position_days, score_positions
from factories.position_days import DELISTING_NOTE, make_days, make_position_score

OWN, FIRST_BOOK, BEST_BOOK = [0.02, -0.01, 0.03, 0.0], [-0.01, 0.0, -0.02, 0.0], [0.01, -0.01, 0.01, 0.0]


def sharpe_by_hand(returns: list[float]) -> float:
    return mean(returns) / stdev(returns) * math.sqrt(252)


def test_a_book_has_the_statistics_of_its_days() -> None:
    score = score_position_days(make_days({"optimised": OWN}, delisted=1, unsolved=1))

    assert score.net_sharpe == pytest.approx(sharpe_by_hand(OWN))
    assert score.gross_sharpe == pytest.approx(sharpe_by_hand([value + 3.5e-4 for value in OWN]))
    assert (score.net_mean, score.gross_mean) == pytest.approx((0.01, 0.01035))
    assert score.drawdown == pytest.approx(0.01)
    assert score.costs == pytest.approx({"spread": 2e-4, "impact": 1e-4, "commission": 0, "borrow": 0.5e-4})
    assert (score.factor_mean, score.specific_mean) == pytest.approx((1e-4, 0.01025))
    assert (score.turnover, score.gross_exposure, score.net_exposure) == pytest.approx((0.2, 1.0, 0.1))
    assert (score.delisted, score.unsolved, score.days) == (4, 4, 4)


def test_gross_minus_costs_is_net_and_the_attribution_adds_up() -> None:
    for book in make_position_score().portfolios.values():
        assert book.gross_mean - sum(book.costs.values()) == pytest.approx(book.net_mean)
        assert book.factor_mean + book.specific_mean == pytest.approx(book.gross_mean)
        assert book.net_sharpe_low < book.net_sharpe < book.net_sharpe_high


def test_the_best_book_is_compared_day_by_day() -> None:
    days = make_days({"book 5": BEST_BOOK, "book 1": FIRST_BOOK, "optimised": OWN})
    score = score_positions(days.sample(fraction=1, shuffle=True, seed=1), "next_close", 1e7, {}, DELISTING_NOTE)

    differences = [own - book for own, book in zip(OWN, BEST_BOOK, strict=True)]
    assert (score.best_book, list(score.books)) == (5, [1, 5])
    assert score.difference is not None
    assert score.difference.mean == pytest.approx(mean(differences))
    assert score.difference.std == pytest.approx(stdev(differences))
    assert score.difference_at_equal_risk is not None
    scale = stdev(OWN) / stdev(BEST_BOOK)
    assert score.difference_at_equal_risk.mean == pytest.approx(mean(OWN) - scale * mean(BEST_BOOK))
    assert score.sharpe_ratio == pytest.approx(sharpe_by_hand(OWN) / sharpe_by_hand(BEST_BOOK))
    assert (score.first, score.last) == ("2024-01-01", "2024-01-04")


def test_the_sensitivity_has_the_ratio_of_every_value() -> None:
    days = make_days({"optimised": OWN, "capital = 100": BEST_BOOK, "capital = 20000000": [0.0] * 4})

    assert score_positions(days, "close", 1e7, {"capital": "10000000"}, DELISTING_NOTE).sensitivity == {
        "capital": {
            "10000000": pytest.approx(sharpe_by_hand(OWN)),
            "100": pytest.approx(sharpe_by_hand(BEST_BOOK)),
            "20000000": None,
        }
    }


def test_the_risk_ratio_is_1_where_returns_have_the_predicted_variance() -> None:
    returns = [0.02, -0.02, 0.01, -0.01]
    days = make_days({"optimised": returns}, gross=0.0, predicted_variance=0.0).with_columns(
        gross=pl.Series(returns), predicted_variance=pl.Series([4e-4, 4e-4, 1e-4, 1e-4])
    )

    assert score_position_days(days).risk_ratio == pytest.approx(1)
    assert score_position_days(days.with_columns(pl.col("gross") * 2)).risk_ratio == pytest.approx(2)
    assert score_position_days(days.with_columns(predicted_variance=0.0)).risk_ratio is None


def test_no_ratio_to_a_book_that_loses() -> None:
    score = score_positions(make_days({"optimised": OWN, "book 1": FIRST_BOOK}), "close", 1e7, {}, DELISTING_NOTE)

    assert (score.best_book, score.sharpe_ratio) == (1, None)
    assert score.difference is not None


def test_positions_without_a_trade_or_a_book_have_a_score() -> None:
    score = score_positions(make_days({"optimised": [0.0, 0.0, 0.0]}), "close", 1e7, {}, DELISTING_NOTE)

    assert (score.optimised.net_sharpe, score.optimised.net_mean, score.optimised.drawdown) == (None, 0, 0)
    assert (score.best_book, score.difference, score.sharpe_ratio, score.books) == (None, None, None, {})


def test_the_score_survives_json() -> None:
    score = make_position_score()

    assert PositionScore.model_validate_json(score.model_dump_json()) == score
    assert list(json.loads(score.model_dump_json())["books"]) == ["h1", "h5"]
