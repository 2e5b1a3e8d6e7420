"""Test the protocol and the training time of a run."""

from pathlib import Path

import polars as pl

from atft_kedro.benchmark_report.protocol import tabulate_protocol, tabulate_training_time
from factories.benchmark_runs import PHASE, make_run


def test_the_protocol_names_days_modules_phases_and_code(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, share=0.5, without=["fan"])

    rows = {str(row[0]): row[1] for row in tabulate_protocol(run).rows}

    assert rows["stocks"] == "30"
    assert rows["train"] == "2024-01-01 to 2024-01-05, 5 days"
    assert "an embargo of 5 trading days" in rows["gap between splits"]
    assert rows["graph"] == "kind correlation, neighbours 10"
    assert rows["network"].startswith("hidden_size 8; with ")
    assert rows["network"].endswith("with gat, without fan")
    assert rows["phases"] == "one (2 epochs): 1 mse"
    assert rows["ensemble"].startswith("one network for each of the seeds 7, 8;")
    assert rows["run"] == "`run`, commit `0123456789ab`"


def test_the_protocol_shows_the_epochs_and_losses_that_were_trained(returns: pl.DataFrame, tmp_path: Path) -> None:
    phases = [PHASE | {"name": name, "epochs": epochs} for name, epochs in (("short", 1), ("long", 9))]
    losses = {"loss": {"mse": 1.0}, "phase_losses": {"long": {"ic": 1.0}}}
    run = make_run(tmp_path / "run", returns, share=0.5, phases=phases, epochs=4, **losses)

    rows = {str(row[0]): row[1] for row in tabulate_protocol(run).rows}

    assert rows["phases"] == "long (4 epochs): 1 ic"


def test_the_training_time_counts_every_epoch_once(returns: pl.DataFrame, tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", returns, share=0.5)

    (row,) = tabulate_training_time([run], ["as above"]).rows

    assert list(row) == ["as above", "2, 2", "4 s", "0.1 min", "500", "25.0%", "one 2.0 s", "cpu, 2"]
