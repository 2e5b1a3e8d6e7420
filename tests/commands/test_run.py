"""Test the options of ``kedro run``, and the messages for wrong ones."""

from pathlib import Path

import pytest

from atft_kedro.commands.run import STAGE_RUNNER
from factories.project import SMALL, kedro

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("words", [(), ("--runner", STAGE_RUNNER), ("--runner-params", "use_cache=true")])
def test_no_cache_runs_every_stage(ran_project: Path, words: tuple[str, ...]) -> None:
    output = kedro(ran_project, "run", "--no-cache", *words, "--pipelines", "guard", "--params", SMALL)

    assert "0 of 3 stages are fresh" in output
    assert "stage guard.require_no_error done" in output
    assert "3 of 3 stages are fresh" in kedro(ran_project, "run", "--pipelines", "guard", "--params", SMALL)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--params", "market.stoks=3"), "market.stoks = 3: unknown; did you mean stocks? — --params"),
        (("--params", "features.set=large"), "features.set = 'large': Input should be 'core', 'alpha158' or 'wide'"),
        (("--params", "prices=my.csv"), "this environment does not read it; try --env files"),
        (("--pipelines", "gard"), "Failed to find the pipeline named 'gard'"),
        (("--env", "files,mars"), "There is no environment 'mars'"),
    ],
)
def test_a_wrong_option_is_refused_with_one_message(ran_project: Path, words: tuple[str, ...], message: str) -> None:
    output = kedro(ran_project, "run", *words, fails=True)

    assert message in output
    assert "Traceback" not in output
