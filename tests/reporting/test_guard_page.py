"""Test the guard page: it shows every check, and the user's data is escaped."""

from datetime import date

import polars as pl

from atft_kedro.guard.inspection import GuardParams, inspect_dataset
from atft_kedro.reporting.guard_page import build_guard_page
from atft_kedro.schema import ColumnParams
from factories.params import make_params


def test_the_page_shows_verdict_rules_examples_and_columns(ml_dataset: pl.DataFrame) -> None:
    odd = "<script>alert(1)</script>"
    broken = ml_dataset.with_columns(pl.lit(1.0, pl.Float32).alias(odd))
    params = make_params(GuardParams, **{"recency": {"historical": True}})

    report = inspect_dataset(broken.lazy(), make_params(ColumnParams), params, date(2030, 1, 1))
    page = build_guard_page(report)

    assert "must not be used: 1 rule broken" in page
    assert all(f"<code>{check['name']}</code>" in page for check in report["checks"])
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert odd not in page
    assert "http" not in page  # complete in itself
    assert "residual_vol_20" in page
