"""Price files of users in common layouts, and errors in them."""

import gzip
import time
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atft_kedro.market.columns import PriceFileParams
from atft_kedro.market.price_files import read_prices
from atft_kedro.params import InputError
from factories.price_files import PRICES, read, write


@pytest.mark.parametrize("name", ["prices.csv", "prices.parquet", "prices.csv.gz", "prices.tsv"])
def test_one_long_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        PRICES.write_parquet(path)
    else:
        text = PRICES.write_csv(separator="\t" if name.endswith("tsv") else ",")
        path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())

    assert_frame_equal(read(path), PRICES)


def test_columns_are_found_without_regard_to_case_or_by_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    PRICES.rename({"date": "Date", "code": "Ticker", "open": "OPEN", "close": "Last Price"}).write_csv(path)

    assert_frame_equal(read(path, columns={"code": "Ticker", "close": "Last Price"}), PRICES)


def test_an_adjusted_close_scales_the_whole_row(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    PRICES.with_columns((pl.col("close") / 2).alias("Adj Close")).write_csv(path)
    halved = PRICES.with_columns(pl.col("open", "high", "low", "close") / 2, pl.col("volume") * 2)

    assert_frame_equal(read(path, columns={"adjusted_close": "Adj Close"}), halved)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_folder_of_one_file_per_stock_takes_the_code_from_the_name(tmp_path: Path, suffix: str) -> None:
    for (code,), rows in PRICES.partition_by("code", as_dict=True).items():
        write_as = rows.drop("code").write_csv if suffix == "csv" else rows.drop("code").write_parquet
        write_as(tmp_path / f"{code}.{suffix}")

    assert_frame_equal(read(tmp_path), PRICES)


def test_wide_files_one_per_field(tmp_path: Path) -> None:
    for field in ("open", "high", "low", "close", "volume"):
        PRICES.pivot(on="code", index="date", values=field).write_csv(tmp_path / f"{field}.csv")

    assert_frame_equal(read(tmp_path), PRICES)


def test_one_wide_file_holds_closes(tmp_path: Path) -> None:
    path = tmp_path / "matrix.csv"
    PRICES.pivot(on="code", index="date", values="close").write_csv(path)

    found = read(path)

    assert_frame_equal(found.select("date", "code", "close"), PRICES.select("date", "code", "close"))
    assert found["open"].null_count() == 6


BAD = {
    "missing": (lambda folder: folder / "absent.csv", "does not exist"),
    "empty": (lambda folder: write(folder / "p.csv", ""), "is empty"),
    "header only": (lambda folder: write(folder / "p.csv", "date,code,close\n"), "no rows"),
    "empty folder": (lambda folder: folder, "has no file"),
    "unknown kind": (lambda folder: write(folder / "p.xlsx", "?"), "unknown file format"),
    "cut csv": (
        lambda folder: write(folder / "p.csv", "date,code,open,close\n2024-01-02,A,1,1\n2024-01-0"),
        "line 3: .* does not have 4 cells",
    ),
    "text as number": (
        lambda folder: write(folder / "p.csv", "date,code,close\n2024-01-02,A,1.5\n2024-01-03,A,abc\n"),
        "column 'close': 1 cell.* 'abc' in row 2",
    ),
    "text as date": (lambda folder: write(folder / "p.csv", "date,code,close\nsoon,A,1.5\n"), "'soon' in row 1"),
    "no close": (
        lambda folder: write(folder / "p.csv", "date,code,open\n2024-01-02,A,1.5\n"),
        "no column for close among",
    ),
    "no close per stock": (
        lambda folder: write(folder / "p.csv", "date,open\n2024-01-02,1.5\n"),
        "no column for code, close",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_unreadable_files_are_refused_with_the_reason(tmp_path: Path, case: str) -> None:
    make, message = BAD[case]

    with pytest.raises(InputError, match=f"(?s){message}"):
        read(make(tmp_path))


def test_a_file_name_may_look_like_a_pattern(tmp_path: Path) -> None:
    codes = ["A1", "A[1]", "B*", "BB", "C?", "CC"]
    for place, code in enumerate(codes):
        write(tmp_path / "data [1-9]" / f"{code}.csv", f"date,close\n2024-01-02,{place + 1}\n")
        PRICES.filter(code="A").with_columns(close=pl.lit(place + 1.0)).write_parquet(tmp_path / f"{code}.parquet")

    found = read_prices(tmp_path / "data [1-9]", PriceFileParams()).collect().sort("code")

    assert dict(zip(found["code"], found["close"], strict=True)) == {code: n + 1 for n, code in enumerate(codes)}
    assert [read(tmp_path / f"{code}.parquet")["close"].unique().to_list() for code in codes] == [
        [place + 1.0] for place in range(6)
    ]


def test_codes_keep_their_dots_and_hidden_files_are_ignored(tmp_path: Path) -> None:
    for code, file in (("A", "BRK.A.csv"), ("B", "BRK.B.csv")):
        PRICES.filter(code=code).drop("code").write_csv(tmp_path / file)
    (tmp_path / "._BRK.A.csv").write_bytes(b"\x00\x05\x16")

    assert read(tmp_path)["code"].unique().sort().to_list() == ["BRK.A", "BRK.B"]


def test_a_code_may_look_like_a_missing_value(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "date,code,close,volume\n2024-01-02,NA,1.5,N/A\n2024-01-03,,1.5,3\n")

    found = read_prices(path, PriceFileParams()).collect().sort("date")

    assert found["code"].to_list() == ["NA", None]
    assert found["volume"].to_list() == [None, 3.0]


def test_a_row_without_its_adjusted_close_has_no_price(tmp_path: Path) -> None:
    path = write(tmp_path / "p.csv", "date,code,close,volume,Adj Close\n2024-01-02,A,100,10,50\n2024-01-03,A,101,10,\n")

    found = read_prices(path, PriceFileParams()).collect()

    assert found["close"].to_list() == [50.0, None]
    assert found["volume"].to_list() == [20.0, None]  # what was traded, price times volume, stays


def test_a_wide_field_may_have_more_days_than_close(tmp_path: Path) -> None:
    write(tmp_path / "close.csv", "date,A,B\n2024-01-02,1,2\n2024-01-03,,2\n")
    write(tmp_path / "open.csv", "date,A,B\n2024-01-02,1,2\n2024-01-03,1,2\n")

    assert read_prices(tmp_path, PriceFileParams()).collect().height == 4  # admission counts the missing close


def test_many_files_of_one_stock_are_read_in_linear_time(tmp_path: Path) -> None:
    rows = PRICES.filter(code="A").drop("code").write_csv()
    files = [write(tmp_path / f"{place:03}.csv", rows) for place in range(400)]
    start = time.process_time()
    for file in files:
        pl.read_csv(file, infer_schema=False)
    bare = time.process_time() - start

    start = time.process_time()
    found = read(tmp_path)

    assert time.process_time() - start < 15 * bare  # 6 times; one query over all files: 60 times
    assert found["code"].unique(maintain_order=True).to_list() == [f"{place:03}" for place in range(400)]


def test_a_folder_may_mix_column_types_and_date_formats(tmp_path: Path) -> None:
    stock = PRICES.filter(code="A").drop("code")
    stock.write_csv(tmp_path / "A.csv")
    stock.with_columns(pl.col("date").dt.to_string("%Y%m%d")).write_csv(tmp_path / "B.csv")
    stock.cast({"volume": pl.Int64}).write_parquet(tmp_path / "C.parquet")
    stock.with_columns(pl.col("date").dt.epoch("ms")).write_parquet(tmp_path / "D.parquet")

    found = read(tmp_path)

    for code in "ABCD":
        assert_frame_equal(found.filter(code=code).drop("code"), stock)


def test_lists_of_names_in_messages_are_short(tmp_path: Path) -> None:
    stocks = [f"stock{place}" for place in range(3000)]
    wide = f"date,{','.join(stocks)}\n2024-01-02{',1.5' * 3000}\n"
    cases = {
        "cut": write(tmp_path / "cut" / "p.csv", wide + "2024-01-03" + ",1.5" * 2000),
        "text": write(tmp_path / "text" / "p.csv", wide.replace("1.5", "dear")),
        "mapped": write(tmp_path / "mapped" / "p.csv", wide),
        "folder": write(tmp_path / "folder" / "p.csv", wide).parent,
    }
    for place in range(300):
        write(tmp_path / "folder" / f"p{place}.csv", "date,A,B\n2024-01-02,1.5,1.5\n")
    columns = {"mapped": {"close": "Last"}}

    for name, path in cases.items():
        with pytest.raises(InputError) as refused:
            read(path, columns=columns.get(name, {}))
        assert len(str(refused.value)) < 1000, name


@pytest.mark.parametrize("suffix", ["txt", "tsv.gz", "txt.gz"])
def test_folders_of_other_text_files_are_read(tmp_path: Path, suffix: str) -> None:
    for (code,), rows in PRICES.partition_by("code", as_dict=True).items():
        text = rows.drop("code").write_csv(separator="\t" if suffix == "tsv.gz" else ",").encode()
        (tmp_path / f"{code}.{suffix}").write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)

    assert_frame_equal(read(tmp_path), PRICES)


def test_other_files_of_a_folder_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    PRICES.write_csv(tmp_path / "prices.csv")
    write(tmp_path / "README.txt", "These are prices.")
    write(tmp_path / "more" / "A.csv", "date,close\n2024-01-02,1\n")

    assert_frame_equal(read(tmp_path), PRICES)
    assert "are not read: README.txt, more/" in caplog.text

    (tmp_path / "prices.csv").unlink()
    (tmp_path / "README.txt").unlink()
    with pytest.raises(InputError, match=r"has no file that ends in .*, only more/: give the folder"):
        read(tmp_path)


def test_extra_columns_are_read_from_long_and_wide_files_if_they_are_named(tmp_path: Path) -> None:
    extended = PRICES.with_columns(
        pl.Series("P/E", [9.0, None, 9.5, 12.0, 12.5, 13.0]), Cap=pl.int_range(6), note=pl.lit("x")
    )
    extended.write_csv(tmp_path / "long.csv")
    for field, name in {"close": "close", "cap": "Cap"}.items():
        extended.pivot(on="code", index="date", values=name).write_csv(write(tmp_path / "wide" / f"{field}.csv", ""))
    params = PriceFileParams.model_validate({"columns": {"pe": "P/E"}, "extra": {"pe": {}, "cap": {}, "absent": {}}})

    long = read_prices(tmp_path / "long.csv", params).collect()
    wide = read_prices(tmp_path / "wide", PriceFileParams(extra=("cap",))).collect().sort("code", "date")

    assert {*long.columns} - {*PRICES.columns, "sector", "vwap"} == {"pe", "cap"}
    assert long["pe"].to_list() == extended["P/E"].to_list()
    assert long["cap"].to_list() == wide["cap"].to_list() == list(range(6))
    extended.with_columns(Cap=pl.lit("large")).write_csv(tmp_path / "long.csv")
    with pytest.raises(InputError, match="column 'cap': 6 cell.s. are not a number: 'large' in row 1"):
        read_prices(tmp_path / "long.csv", params).collect()
