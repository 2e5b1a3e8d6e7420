"""Test which tables of further values are read, and that a join knows only what was available at each close."""

from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atft_kedro.market.extra_tables import ExtraTables, read_extra_tables
from atft_kedro.params import InputError

FIRST = date(2024, 1, 1)
ROWS = st.lists(
    st.tuples(st.sampled_from("ABC"), st.integers(0, 12), st.none() | st.floats(-5, 5)),
    unique_by=lambda row: row[:2],
    max_size=25,
)


def write(folder: Path, text: str, name: str = "fundamentals.csv") -> Path:
    (folder / name).write_text(text)
    return folder


def make_table(rows: list[tuple[str, int, float | None]], key: str, value: str) -> pl.DataFrame:
    known = [(code, FIRST + timedelta(days=day), number) for code, day, number in rows]
    schema = {"code": pl.String, key: pl.Date, value: pl.Float64}
    return pl.DataFrame(known, schema=schema, orient="row").sort("code", key)


@given(prices=ROWS, pe=ROWS, short=ROWS)
@settings(deadline=None, max_examples=60)
def test_the_join_equals_a_slow_loop(
    prices: list[tuple[str, int, float | None]],
    pe: list[tuple[str, int, float | None]],
    short: list[tuple[str, int, float | None]],
) -> None:
    tables = {
        "a.csv": make_table(pe, "available_from", "pe"),
        "b.csv": make_table(short, "available_from", "short"),
    }

    joined = ExtraTables(("pe", "short"), tables).join(make_table(prices, "date", "close"))

    for name, rows in (("pe", pe), ("short", short)):
        slow = []
        for code, day, _ in sorted(prices, key=lambda row: row[:2]):
            newest, value = -1, None
            for other, available, number in rows:
                if other == code and newest < available <= day:
                    newest, value = available, number
            slow.append(value)
        assert joined[name].to_list() == slow
    assert joined.drop("pe", "short").equals(make_table(prices, "date", "close"))


@pytest.mark.parametrize("day", ["2024-05-31", "20240531", "2024/05/31", "2024-05-31 00:00:00"])
def test_days_are_read_in_usual_forms_and_other_columns_are_ignored(tmp_path: Path, day: str) -> None:
    write(tmp_path, f"Code,Available From,PE,note\n1301,{day},12.5,late\n1301,2024-06-03,NA,\n")

    extra = read_extra_tables(tmp_path, ("pe", "close_ratio"))

    (table,) = extra.tables.values()
    assert table.rows() == [("1301", date(2024, 5, 31), 12.5), ("1301", date(2024, 6, 3), None)]
    assert (table.columns, extra.unused) == (["code", "available_from", "pe"], ["note"])


@pytest.mark.parametrize("kind", [pl.Date, pl.Datetime, pl.Int64, pl.Float64])
def test_parquet_files_with_typed_days_and_numeric_codes_are_read(tmp_path: Path, kind: type[pl.DataType]) -> None:
    number = 20240531 if kind in (pl.Int64, pl.Float64) else date(2024, 5, 31)
    days = pl.Series([number], strict=False).cast(kind)
    pl.DataFrame({"code": [1301.0], "available_from": days, "pe": [7]}).write_parquet(tmp_path / "table.parquet")

    assert read_extra_tables(tmp_path, ("pe",)).tables["table.parquet"].rows() == [("1301", date(2024, 5, 31), 7.0)]


def test_no_folder_an_empty_one_and_no_columns_have_no_tables(tmp_path: Path) -> None:
    write(tmp_path, "code\n", ".hidden.csv")

    assert read_extra_tables(tmp_path / "absent", ("pe",)).tables == {}
    assert read_extra_tables(tmp_path, ("pe",)).tables == {}
    assert read_extra_tables(write(tmp_path, "broken"), ()).tables == {}


HEADER = "code,available_from,pe\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("code,pe\nA,1\n", r"fundamentals.csv has no column available_from; it has code, pe\."),
        ("available_from,pe\n2024-05-31,1\n", "has no column code"),
        (
            f"{HEADER}A,2024-05-31,1\nA,2024-05-31,2\n",
            r"2 rows .*, or with the code and day of another .A from 2024-05",
        ),
        (f"{HEADER},2024-05-31,1\n", "1 rows without a code"),
        (f"{HEADER}A,2024-05-31,cheap\n", "column 'pe': 1 cell.s. are not a number: 'cheap' in row 1"),
        (f"{HEADER}A,2024-05-31 15:30,1\n", "not days, such as '2024-05-31 15:30': write the first day at whose close"),
        (f"{HEADER}A,1717165800,1\n", "not days, such as '1717165800'"),
        (f"{HEADER}A,2024-02-30,1\n", "not days, such as '2024-02-30'"),
        (f"{HEADER}A,,1\nA,2024-05-31,1\n", "1 cell.s. are not days, such as None"),
    ],
)
def test_rows_that_cannot_be_joined_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_extra_tables(write(tmp_path, text), ("pe",))


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_a_time_of_publication_in_a_parquet_file_is_refused(tmp_path: Path, zone: str | None) -> None:
    times = pl.Series([datetime(2024, 5, 31, 15, 30)]).dt.replace_time_zone(zone)
    pl.DataFrame({"code": ["A"], "available_from": times, "pe": [7.0]}).write_parquet(tmp_path / "table.parquet")

    with pytest.raises(InputError, match="what is published after a close is known at the next one"):
        read_extra_tables(tmp_path, ("pe",))


def test_a_column_that_exists_twice_or_nowhere_is_refused(tmp_path: Path) -> None:
    prices = make_table([("A", 0, 1.0)], "date", "close")
    write(tmp_path, f"{HEADER}A,2024-01-01,1\n")
    write(tmp_path, "code,available_from,short_interest,pe2\nA,2024-01-01,1,2\n", "short.csv")

    with pytest.raises(InputError, match="fundamentals.csv has the column pe, as the prices or another table"):
        read_extra_tables(tmp_path, ("pe",)).join(prices.with_columns(pe=1.0))
    with pytest.raises(InputError, match="names shrt_interest, but neither .* did you mean short_interest?"):
        read_extra_tables(tmp_path, ("pe", "shrt_interest")).join(prices)
    write(tmp_path, f"{HEADER}A,2024-01-01,1\n", "other.csv")
    with pytest.raises(InputError, match="other.csv has the column pe, as the prices or another table: rename it"):
        read_extra_tables(tmp_path, ("pe",)).join(prices)
