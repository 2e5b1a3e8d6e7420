"""Test the HTML pages: complete in one file, and user data is escaped."""

from datetime import date

import plotly.graph_objects as go
import polars as pl

from atft_kedro.guard.inspection import GuardParams, inspect_dataset
from atft_kedro.reporting.html_pages import build_guard_page, build_html_report, figure_title
from atft_kedro.reporting.table import Table
from atft_kedro.reporting.theme import apply_theme
from atft_kedro.schema import ColumnParams
from factories.params import make_params

SCRIPT = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def test_the_guard_page_shows_verdict_rules_examples_and_columns(ml_dataset: pl.DataFrame) -> None:
    broken = ml_dataset.with_columns(pl.lit(1.0, pl.Float32).alias(SCRIPT))
    params = make_params(GuardParams, **{"recency": {"historical": True}})

    report = inspect_dataset(broken.lazy(), make_params(ColumnParams), params, date(2030, 1, 1))
    page = build_guard_page(report)

    assert "must not be used: 1 rule broken" in page
    assert all(f"<code>{check['name']}</code>" in page for check in report["checks"])
    assert ESCAPED in page
    assert SCRIPT not in page
    assert "http" not in page  # no external resources
    assert "residual_vol_20" in page


def test_a_report_has_every_table_and_every_figure_with_its_caption() -> None:
    figure = apply_theme(go.Figure(), "Rank IC: over time", "How to read it.")
    table = Table("Goals", ("goal", "verdict"), [[SCRIPT, "met"]], "A note.")

    page = build_html_report("Run a", [table], [figure])

    assert figure_title(figure) == "Rank IC"
    for text in ("Run a", "Goals", "A note.", ESCAPED, '<td class="met">met</td>', "Rank IC", "How to read it."):
        assert text in page
    assert SCRIPT not in page
