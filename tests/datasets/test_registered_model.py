"""The dataset of MLflow's registry registers a model, or logs why not and removes the old file."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import grimp
import mlflow
import polars as pl
import pytest
from kedro.io import DatasetError

from atft_kedro.datasets import RegisteredModelDataset, registered_model
from atft_kedro.export.model import Registration
from atft_kedro.export.model_card import CARD_FILE

ROWS = pl.DataFrame({"date": ["2020-01-01"], "code": ["a"], "ret_1": [0.5]}).with_columns(pl.col("date").str.to_date())


@pytest.fixture
def registration(tmp_path: Path) -> Registration:
    folder = tmp_path / "gatfan_20200101_Sharpe1.00"
    folder.mkdir()
    (folder / CARD_FILE).write_text("{}")
    output = pl.Schema({"date": pl.Date, "code": pl.String, "rank": pl.Int32, "forecast": pl.Float32})
    return Registration(folder, "20200101-a", ROWS, pl.Schema({"target_1d": pl.Float32}), output)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def tracked(store: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}/mlflow.db")
    with mlflow.start_run():
        yield


@pytest.fixture
def dataset(tmp_path: Path) -> RegisteredModelDataset:
    return RegisteredModelDataset(filepath=str(tmp_path / "registered.json"), name="mine")


@pytest.mark.slow
@pytest.mark.usefixtures("tracked")
def test_a_model_is_registered_with_its_columns_and_a_version(
    dataset: RegisteredModelDataset, registration: Registration
) -> None:
    dataset.save(registration)
    first = dataset.load()
    dataset.save(registration)

    info = mlflow.models.get_model_info("models:/mine/1")
    assert (first.uri, first.run, dataset.load().version) == ("models:/mine/1", "20200101-a", "2")
    assert info.signature.inputs.input_names() == ["date", "code", "ret_1", "target_1d"]
    assert info.signature.inputs.required_input_names() == ["date", "code", "ret_1"]
    assert [str(dtype) for dtype in info.signature.inputs.input_types()] == ["DataType.string"] * 2 + [
        "DataType.double"
    ] * 2
    assert info.signature.outputs.input_names() == ["date", "code", "rank", "forecast"]
    assert info.flavors["python_function"]["loader_module"] == "mlflow.pyfunc.loaders.code_model"


def test_without_an_active_run_a_warning_is_logged_and_the_old_file_removed(
    dataset: RegisteredModelDataset, registration: Registration, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "registered.json").write_text("{}")

    dataset.save(registration)

    assert not dataset.exists()
    assert "the model of run 20200101-a is not registered: no MLflow run is active" in caplog.text


def test_a_file_that_cannot_be_written_is_no_failure_of_mlflow(
    registration: Registration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = registered_model.RegisteredModel(name="mine", version="1", uri="models:/mine/1", run="20200101-a")
    monkeypatch.setattr(registered_model, "register", lambda data, name: registered)
    monkeypatch.setattr(mlflow, "active_run", lambda: "a run")
    monkeypatch.setattr(registered_model, "atomic_write", Mock(side_effect=OSError("the disk is broken")))

    with pytest.raises(DatasetError, match="the disk is broken"):
        RegisteredModelDataset(filepath=str(tmp_path / "registered.json"), name="mine").save(registration)


@pytest.mark.slow
@pytest.mark.usefixtures("tracked")
def test_a_registry_that_does_not_answer_does_not_stop_the_run(
    dataset: RegisteredModelDataset,
    registration: Registration,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", "http://127.0.0.1:9")

    with caplog.at_level(logging.WARNING):
        dataset.save(registration)

    assert not dataset.exists()
    assert "MLflow failed; the model of run 20200101-a is not registered" in caplog.text


def test_the_requirements_name_the_packages_that_the_served_model_imports() -> None:
    graph = grimp.build_graph("atft_kedro", include_external_packages=True, cache_dir=None)

    imported = graph.find_upstream_modules("atft_kedro.datasets.served_model")

    others = {name for name in imported if not name.startswith("atft_kedro")} - sys.stdlib_module_names
    assert others - {"pynvml"} <= {*registered_model.REQUIREMENTS}  # only a training on a GPU reads its telemetry
