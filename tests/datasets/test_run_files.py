"""Files of a run are written to its folder while other runs start and end."""

from pathlib import Path

import plotly.graph_objects as go

from factories.catalogs import open_catalog


def test_every_file_of_a_run_is_written_under_its_own_name(runs: list[Path], tmp_path: Path) -> None:
    catalog = open_catalog(tmp_path)
    catalog["summary"].save("the first run's score")
    catalog["learning_plot"].save(go.Figure())

    described = {name: str(catalog[name]._describe().get("filepath")) for name in catalog.keys()}  # noqa: SIM118
    inside = {name: path for name, path in described.items() if "/06_models/runs/" in path}
    assert (runs[0] / "summary.md").read_text() == "the first run's score"
    assert {file.name for file in runs[1].iterdir()} == {"manifest.json"}
    assert {name for name, path in inside.items() if not path.startswith(f"{runs[0]}/")} == set()
    assert {"metrics", "forecasts", "report", "model_inputs", "exported_model", "registered_model"} <= inside.keys()
    assert catalog["learning_plot"].preview()["data"] == []
