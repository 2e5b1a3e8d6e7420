"""Results of guard rules: counts, examples and advice."""

from datetime import date, timedelta

import polars as pl

from atft_kedro.guard.rule import EXAMPLES, report_columns, report_rows, report_skipped

ROWS = pl.DataFrame(
    {
        "date": [date(2024, 1, 1) + timedelta(days=day) for day in range(20)],
        "code": ["A", "B"] * 10,
        "close": [float("nan"), *map(float, range(19))],
    }
)


def test_no_row_is_a_passed_rule() -> None:
    result = report_rows("rows with impossible prices", ROWS.clear(), ["close"], "Correct them.")

    assert (result.severity, result.count, result.message) == ("ok", 0, "no rows with impossible prices")
    assert not result.advice


def test_broken_rows_are_counted_with_the_first_dates_codes_and_rows() -> None:
    result = report_rows("rows with impossible prices", ROWS, ["close"], "Correct them.")

    assert result.message == "rows with impossible prices: 20"
    assert (result.count, result.columns, result.advice) == (20, ["close"], ("Correct them.",))
    assert result.dates == [f"2024-01-{day:02}" for day in range(1, EXAMPLES + 1)]
    assert result.codes == ["A", "B"]
    assert len(result.rows) == EXAMPLES
    assert result.rows[0] == {"date": "2024-01-01", "code": "A", "close": "nan"}  # JSON has no NaN


def test_broken_columns_are_listed_in_the_order_of_the_table() -> None:
    table = pl.DataFrame({"column": ["worst", "bad"], "share": [0.9, 0.5]})

    result = report_columns("columns that are mostly unknown", table, "Ignore them.")

    assert result.columns == ["worst", "bad"]
    assert result.rows == table.to_dicts()
    assert report_columns("columns that are mostly unknown", table.clear(), "").count == 0


def test_a_rule_that_does_not_apply_is_skipped_with_its_reason() -> None:
    assert report_skipped("the dataset has no close").model_dump(include={"severity", "message"}) == {
        "severity": "skipped",
        "message": "the dataset has no close",
    }
