"""Test that MLflow runs and serves the registered model: prices in, forecasts out."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import polars as pl
import pytest
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModelContext

from atft_kedro.datasets.served_model import FOLDER, ServedModel
from atft_kedro.export.model import Model, load_model
from atft_kedro.market.simulated_drivers import MarketParams
from atft_kedro.market.simulation import simulate_market
from factories.browser import serve
from factories.params import make_params
from factories.project import environment

pytestmark = pytest.mark.slow

MLFLOW = Path(sys.executable).with_name("mlflow")
NEWEST = pl.col("date") == pl.col("date").max()
LOAD_AND_PREDICT = """
import sys, mlflow, pandas
prices = pandas.read_parquet(sys.argv[2]).astype({"date": str})
mlflow.pyfunc.load_model(sys.argv[1]).predict(prices).to_json(sys.argv[3], orient="records", double_precision=15)
"""


@pytest.fixture(scope="module")
def model_folder(ran_project: Path) -> Path:
    (found,) = (ran_project / "data" / "06_models" / "runs" / "latest").resolve().glob("gatfan_*")
    return found


@pytest.fixture(scope="module")
def model(model_folder: Path) -> Model:
    return load_model(model_folder)


@pytest.fixture(scope="module")
def uri(model_folder: Path) -> str:
    return json.loads((model_folder.parent / "registered_model.json").read_text())["uri"]


@pytest.fixture(scope="module")
def prices() -> pl.DataFrame:
    """The prices that the model was trained on, with dates as text, and one stock that was listed on the last day."""
    prices = simulate_market(make_params(MarketParams, stocks=24, days=300)).prices
    listed = prices.filter(NEWEST).head(1).with_columns(code=pl.lit("LISTED"))
    return pl.concat([prices, listed]).with_columns(pl.col("date").cast(pl.String))


def read_answer(rows: list[dict[str, Any]], model: Model, prices: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return served rows as a table, and the table that the model makes of the prices."""
    expected = model.forecast_prices(prices).to_table()
    schema = {name: pl.String if dtype == pl.Date else dtype for name, dtype in expected.schema.items()}
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col("date").str.to_date()), expected


def to_body(prices: pl.DataFrame) -> dict[str, Any]:
    return {"dataframe_split": {"columns": prices.columns, "data": [list(row) for row in prices.iter_rows()]}}


def post(url: str, body: object) -> tuple[int, dict[str, Any]]:
    """Post JSON; return the status and the answer, which may have no NaN."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/invocations", json.dumps(body).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read(), parse_constant=pytest.fail)
    except HTTPError as error:
        return error.code, json.loads(error.read())


def test_prices_are_forecast_and_bad_prices_are_refused_with_status_400(
    model_folder: Path, model: Model, prices: pl.DataFrame
) -> None:
    served = ServedModel()
    context = PythonModelContext({FOLDER: str(model_folder)}, None)
    served.load_context(context)

    rows = served.predict(context, prices.to_pandas()).to_dict(orient="records")

    answer, expected = read_answer(json.loads(json.dumps(rows, allow_nan=False)), model, prices)
    assert answer.equals(expected)
    assert "it has 1 day(s) of prices, 20 are needed" in answer.filter(code="LISTED")["reason"].to_list()
    with pytest.raises(MlflowException, match="The price table has no rows") as refused:
        served.predict(context, prices.clear().to_pandas())
    assert refused.value.get_http_status_code() == 400


@pytest.mark.long
def test_a_model_loaded_by_mlflow_forecasts_bit_equal(
    ran_project: Path, uri: str, model: Model, prices: pl.DataFrame, tmp_path: Path
) -> None:
    prices.write_parquet(tmp_path / "prices.parquet")

    done = subprocess.run(
        [sys.executable, "-c", LOAD_AND_PREDICT, uri, tmp_path / "prices.parquet", tmp_path / "served.json"],
        cwd=tmp_path,
        env=environment(ran_project) | {"MLFLOW_TRACKING_URI": f"sqlite:///{ran_project}/mlflow.db"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    answer, expected = read_answer(json.loads((tmp_path / "served.json").read_text()), model, prices)
    assert answer.equals(expected)


@pytest.mark.long
def test_a_server_forecasts_bit_equal_and_answers_bad_requests(
    ran_project: Path, uri: str, model: Model, prices: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{ran_project}/mlflow.db")
    dirty = pl.concat([prices, prices.head(9)]).sample(fraction=1, shuffle=True, seed=3)
    few = prices.filter(pl.col("code").is_in(prices.filter(NEWEST)["code"].head(14).to_list()))
    bad: dict[str, Callable[[pl.DataFrame], pl.DataFrame]] = {
        r"Model is missing inputs ['close']": lambda prices: prices.drop("close"),
        r"Failed to convert column close to type 'float64'": lambda prices: prices.with_columns(close=pl.lit("n/a")),
        "The price table has no rows": lambda prices: prices.clear(),
        "not dates, first '31/12/2024': write dates as 2024-01-31": lambda prices: prices.with_columns(
            date=pl.lit("31/12/2024")
        ),
        "S0000 on 20": lambda prices: pl.concat([prices, prices.head(1).with_columns(close=pl.lit(1.0))]),
        "no day has more than 5 stocks": lambda prices: prices.filter(pl.col("code") <= "S0004"),
    }

    with serve(ran_project, str(MLFLOW), "models", "serve", "-m", uri, "--env-manager", "local", path="/ping") as url:
        answers = [post(url, to_body(table)) for table in (prices, dirty, few)]
        refused = {message: post(url, to_body(change(prices))) for message, change in bad.items()}

    assert [status for status, _ in answers] == [200] * 3
    for (_, answer), table in zip(answers, (prices, prices, few), strict=True):
        served, expected = read_answer(answer["predictions"], model, table)
        assert served.equals(expected)
    assert [answer["predictions"][0]["is_incomplete"] for _, answer in answers] == [False, False, True]
    assert [status for status, _ in refused.values()] == [400] * len(bad)
    for message, (_, answer) in refused.items():
        assert message in answer["message"]
