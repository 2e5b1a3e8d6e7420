"""Test what the doctor reads from a project's configuration."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kedro_mlflow.config.kedro_mlflow_config import KedroMlflowConfig

from atft_kedro.doctor.project_setup import ProjectSetup, _require_mapping
from atft_kedro.params import InputError

CATALOG = {
    "prices": {"filepath": "data/01_raw/prices"},
    "ml_dataset": {"filepath": "own/dataset.parquet", "read_only": True},
    "panel": {"path": "data/05_model_input/panel"},
    "split": {"filepath": "data/05_model_input/split.json"},
    "remote": {"filepath": "s3://bucket/table.parquet"},
    "training_data": {"type": "MemoryDataset"},
}


def make_setup(project: Path, env: str | None = None, tracking_uri: str | None = None) -> ProjectSetup:
    """Make the setup of a project with a small catalog."""
    context: Any = SimpleNamespace(project_path=project, env=env)
    mlflow = KedroMlflowConfig.model_validate({"server": {"mlflow_tracking_uri": tracking_uri}})
    loader: Any = None
    return ProjectSetup(context, loader, {}, CATALOG, mlflow)


def test_paths_on_this_machine_are_absolute(tmp_path: Path) -> None:
    paths = make_setup(tmp_path).paths

    assert paths.keys() == {"prices", "ml_dataset", "panel", "split"}
    assert paths["panel"] == tmp_path / "data" / "05_model_input" / "panel"


def test_runs_write_to_the_folders_of_all_entries_that_the_user_does_not_provide(tmp_path: Path) -> None:
    setup = make_setup(tmp_path, tracking_uri="sqlite:///tracking/mlflow.db")

    model_input = tmp_path / "data" / "05_model_input"
    assert setup.user_entries == {"prices", "ml_dataset"}
    assert setup.list_output_folders() == [tmp_path, model_input, model_input / "panel", tmp_path / "tracking"]


def test_the_variable_of_mlflow_is_used_without_a_configured_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")

    assert make_setup(tmp_path).tracking_uri == "http://server:5000"
    assert make_setup(tmp_path, tracking_uri="sqlite:///mlflow.db").tracking_uri == "sqlite:///mlflow.db"


def test_a_catalog_entry_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(InputError, match="The catalog entry panel must be a block with a type and a path, but is 3"):
        _require_mapping("panel", 3)
