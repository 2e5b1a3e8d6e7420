"""Test that MLflow runs the registered model."""

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from atft_kedro.export.model import load_model
from factories.project import environment

pytestmark = pytest.mark.slow


KEYS = ["date", "code", "horizon", "rank"]


MLFLOW = Path(sys.executable).with_name("mlflow")


def find_model(project: Path) -> Path:
    (found,) = (project / "data" / "06_models" / "runs" / "latest").resolve().glob("gatfan_*")
    return found


@pytest.mark.long
def test_mlflow_runs_the_registered_model(ran_project: Path, tmp_path: Path) -> None:
    record = json.loads((find_model(ran_project).parent / "registered_model.json").read_text())
    model = load_model(find_model(ran_project))
    dataset = pl.read_parquet(ran_project / "data" / "05_model_input" / "ml_dataset.parquet")
    dataset.select(model.card.inputs.columns).write_csv(tmp_path / "observations.csv")

    done = subprocess.run(
        [MLFLOW, "models", "predict", "-m", record["uri"], "-t", "csv", "--env-manager", "local"]
        + ["-i", tmp_path / "observations.csv", "-o", tmp_path / "served.json"],
        cwd=tmp_path,
        env=environment(ran_project) | {"MLFLOW_TRACKING_URI": f"sqlite:///{ran_project}/mlflow.db"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    served = pl.DataFrame(json.loads((tmp_path / "served.json").read_text())["predictions"])
    expected = model.forecast(dataset)
    assert record["uri"] == f"models:/atft_gat_fan/{record['version']}"
    expected = expected.with_columns(pl.col("date").cast(pl.String))
    assert served.select(KEYS).equals(expected.select(KEYS).cast(dict.fromkeys(KEYS[2:], pl.Int64)))
    assert served["forecast"].to_list() == pytest.approx(expected["forecast"].to_list(), abs=1e-5)
    assert "deviation" not in served.columns
