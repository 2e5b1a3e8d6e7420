"""Test the tables of one run."""

from atft_kedro.panel.sizes import SizeParams, SplitSize
from atft_kedro.panel.split import Split
from atft_kedro.reporting.run_tables import tabulate_shortages
from factories.params import make_params


def test_splits_with_too_few_days_or_stocks_have_a_table() -> None:
    sizes = {"train": SplitSize(days=300, stocks=90), "test": SplitSize(days=30, stocks=90)}
    split = Split(name="split", date_ranges=(), sizes=sizes, needed=make_params(SizeParams))

    (table,) = tabulate_shortages(split)

    assert [row[0] for row in table.rows] == ["test"]
    assert table.rows[0][1].startswith("30 days (recommended: 60); a mean rank IC has a standard error of ± 0.019")
    assert tabulate_shortages(split.model_copy(update={"sizes": {"train": sizes["train"]}})) == []
