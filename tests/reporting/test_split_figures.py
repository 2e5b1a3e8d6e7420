"""Test the figure of splits."""

from datetime import date

from atft_kedro.panel.sizes import SizeParams, SplitSize
from atft_kedro.panel.split import DateRange, Split
from atft_kedro.reporting.split_figures import DAY_MILLISECONDS, plot_splits
from factories.params import make_params


def make_split(name: str, test_days: int = 100) -> Split:
    train = DateRange(split="train", first=date(2024, 1, 1), last=date(2024, 1, 10), days=8)
    test = DateRange(split="test", first=date(2024, 2, 1), last=date(2024, 2, 1), days=1)
    sizes = {"test": SplitSize(days=test_days, stocks=90)}
    return Split(name=name, date_ranges=(train, test), sizes=sizes, needed=make_params(SizeParams))


def test_every_split_is_a_bar_from_its_first_to_its_last_day() -> None:
    train, test = plot_splits([make_split("first"), make_split("second")]).data

    assert (train.name, test.name) == ("train", "test")
    assert list(train.y) == ["first", "second"]
    assert list(train.base) == ["2024-01-01"] * 2
    assert list(train.x) == [10 * DAY_MILLISECONDS] * 2
    assert "2024-01-01 to 2024-01-10, 8 trading days" in train.text[0]


def test_the_title_names_six_splits_that_are_too_small_and_counts_the_others() -> None:
    title = plot_splits([make_split(f"fold {number}", test_days=30) for number in range(8)]).layout.title.text

    assert title.count("<br><sub>fold ") == 6
    assert title.endswith("<br><sub>and 2 more</sub>")
    assert plot_splits([make_split("fold")]).layout.title.text == "Days of each split"
