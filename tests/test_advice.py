"""Advised commands are those of the session: parsed again, they give the same environment and parameters."""

import shlex
from collections.abc import Iterator

import pytest
from kedro.framework.cli.utils import _split_params as split_params

from atft_kedro.advice import advise_command, advise_run, remember_session


@pytest.fixture(autouse=True)
def session() -> Iterator[None]:
    yield
    remember_session(None, {})


def test_without_options_the_command_has_none() -> None:
    assert advise_run() == "kedro run"
    assert (
        advise_run("--pipelines fit", {"training.resume": "r"})
        == "kedro run --pipelines fit --params training.resume=r"
    )
    assert advise_run(mode="safe") == "kedro run --env safe"


def test_the_source_and_the_parameters_of_the_session_are_repeated() -> None:
    params = {
        "prices": "my prices.csv",
        "training": {"epochs": 3, "resume": None},
        "guard": {"recency": {"historical": False}},
    }
    remember_session("files", params)

    words = shlex.split(advise_run("--pipelines fit", {"training.epochs": 5}, mode="safe"))

    assert words[:6] == ["kedro", "run", "--env", "files,safe", "--pipelines", "fit"]
    expected = {**params, "training": {"epochs": 5, "resume": None}}
    assert split_params(None, None, words[-1]) == expected


def test_other_commands_repeat_the_source_and_the_parameters_too() -> None:
    assert advise_command("atft metrics") == "kedro atft metrics"
    remember_session("dataset", {"ml_dataset": "own.parquet"}, "dataset")

    assert advise_command("atft promote RUN") == "kedro atft promote RUN --env dataset --params ml_dataset=own.parquet"


def test_a_run_on_the_users_dataset_starts_at_it() -> None:
    remember_session("dataset,safe", {"ml_dataset": "own.parquet", "network": {"horizons": [1, 5]}}, "dataset")

    assert advise_run(mode="safe").startswith(
        "kedro run --env dataset,safe --from-inputs ml_dataset --params ml_dataset="
    )
    assert "--from-inputs" in advise_run("--pipelines predict")
    assert (
        advise_run("--pipelines guard")
        == "kedro run --env dataset,safe --pipelines guard --params ml_dataset=own.parquet"
    )
