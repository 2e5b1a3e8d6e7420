"""Table files that cannot be read or do not fit their mapping."""

import gzip
from pathlib import Path

import polars as pl
import pytest
from kedro.io import DatasetError

from atft_kedro.datasets import PriceFilesDataset
from atft_kedro.params import InputError
from factories.price_files import PRICES, read


@pytest.mark.parametrize("spoil", ["gz", "latin", "parquet", "entry", "zone"])
def test_unreadable_tables_are_refused_with_the_file_and_the_reason(tmp_path: Path, spoil: str) -> None:
    path, more = tmp_path / "p.csv", {}
    if spoil == "gz":
        path = tmp_path / "p.csv.gz"
        path.write_bytes(gzip.compress(PRICES.write_csv().encode() * 50)[:-40])
    elif spoil == "latin":
        path.write_bytes("date,code,close\n2024-01-02,Zürich,1\n".encode("latin-1"))
    elif spoil == "parquet":
        path = tmp_path / "p.parquet"
        pl.concat([PRICES] * 3000).write_parquet(path, compression="zstd")
        broken = bytearray(path.read_bytes())
        broken[60:2000] = b"\x00" * 1940
        path.write_bytes(broken)
    else:
        PRICES.write_csv(path)
        more = {"layuot": "wide"} if spoil == "entry" else {"dates": {"time_zone": "Mars/Base"}}

    with pytest.raises((InputError, DatasetError), match=r"p\.|layuot|time zone") as refused:
        PriceFilesDataset(path=str(path), **more).load()

    assert isinstance(refused.value, InputError) or isinstance(refused.value.__cause__, InputError)


def test_a_truncated_parquet_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.parquet"
    PRICES.write_parquet(path)
    path.write_bytes(path.read_bytes()[:-200])

    with pytest.raises(InputError, match=r"prices\.parquet is not a complete parquet file"):
        read(path)


def test_a_folder_of_mixed_schemas_names_the_files_and_the_columns(tmp_path: Path) -> None:
    PRICES.drop("code").head(3).write_csv(tmp_path / "A.csv")
    PRICES.drop("code", "volume").head(3).write_csv(tmp_path / "B.csv")

    with pytest.raises(InputError, match=r"B\.csv and .*A\.csv do not have the same columns: only .*A\.csv has volume"):
        read(tmp_path)


def test_a_mapping_to_an_absent_column_is_refused_with_the_existing_ones(tmp_path: Path) -> None:
    PRICES.write_csv(tmp_path / "p.csv")

    with pytest.raises(InputError, match="close → 'Adj Close'.*The file has date, code, open"):
        read(tmp_path / "p.csv", columns={"close": "Adj Close"})


def test_a_mapping_of_an_unknown_name_is_refused(tmp_path: Path) -> None:
    PRICES.write_csv(tmp_path / "p.csv")

    with pytest.raises(InputError, match=r"maps \['closing'\]"):
        read(tmp_path / "p.csv", columns={"closing": "close"})
