"""Test ridge regression against a plain solution."""

import os
import subprocess
import sys

import numpy as np
import polars as pl
import torch

from atft_kedro.evaluation.observations import Observations, read_observations
from atft_kedro.evaluation.ridge import RidgeParams, fit_ridge
from atft_kedro.training.data import TrainingData
from factories.params import make_params


def make_ridge(penalties: tuple[float, ...]) -> RidgeParams:
    return make_params(RidgeParams, penalties=penalties)


def test_ridge_is_the_plain_solution_of_the_day_by_day_problem(training_data: TrainingData) -> None:
    ridge = fit_ridge(training_data, "gaussian_rank", make_ridge((0.1,)))
    train = Observations.join(list(read_observations(training_data, "train", "gaussian_rank")))
    test = Observations.join(list(read_observations(training_data, "test", "gaussian_rank")))

    for horizon in (0, 3):
        known = train.labels[:, horizon].isfinite()
        x = _demean_slowly(train)[known.numpy()]
        y = train.labels[known, horizon].double().numpy()
        weights = np.linalg.solve(x.T @ x + 0.1 * len(x) * np.eye(x.shape[1]), x.T @ y)
        assert np.allclose(ridge(test)[:, horizon].numpy(), _demean_slowly(test) @ weights, atol=1e-4)


def _demean_slowly(rows: Observations) -> np.ndarray:
    x = rows.features.double().numpy().copy()
    x[np.isnan(x)] = 0
    for day in np.unique(rows.day):
        x[rows.day == day] -= x[rows.day == day].mean(0)
    return x


def test_the_validation_days_choose_the_penalty(training_data: TrainingData) -> None:
    small, large = (fit_ridge(training_data, "gaussian_rank", make_ridge((p,))) for p in (1e-4, 1e3))
    both = fit_ridge(training_data, "gaussian_rank", make_ridge((1e-4, 1e3)))
    rows = Observations.join(list(read_observations(training_data, "validation", "gaussian_rank")))

    for horizon in range(4):
        options = [item(rows)[:, horizon] for item in (small, large)]
        ics = [_rank_ic(rows, table, horizon) for table in options]
        assert torch.allclose(both(rows)[:, horizon], options[int(np.argmax(ics))])


def _rank_ic(rows: Observations, table: torch.Tensor, horizon: int) -> float:
    frame = pl.DataFrame({"day": rows.day.numpy(), "said": table.numpy(), "came": rows.labels[:, horizon].numpy()})
    frame = frame.filter(pl.col("came").is_not_nan())
    return frame.group_by("day").agg(ic=pl.corr("said", "came", method="spearman"))["ic"].mean()  # type: ignore[return-value]


SOLVE = """
import torch
from atft_kedro.evaluation.ridge import solve_systems
factors = torch.randn(4, 4, 440, 440, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
matrices = factors @ factors.mT + 440 * torch.eye(440, dtype=torch.float64)
targets = torch.ones(4, 4, 440, dtype=torch.float64)
for _ in range(3):
    torch.set_num_threads(1)
    matrices[0, 0] @ matrices[0, 1]
    torch.set_num_threads(2)
    solved = solve_systems(matrices, targets)
print(float((torch.einsum("phrc,phc->phr", matrices, solved) - targets).abs().max()))
"""


def test_systems_are_solved_after_the_number_of_threads_was_changed() -> None:
    variables = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}  # noqa: TID251

    done = subprocess.run(
        [sys.executable, "-c", SOLVE], env=variables, capture_output=True, text=True, timeout=100, check=True
    )

    assert float(done.stdout) < 1e-9
    assert "oneMKL ERROR" not in done.stderr
