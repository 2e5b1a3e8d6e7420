"""The masked correlation against a plain reference."""

import numpy as np
from scipy.stats import pearsonr

from atft_kedro.guard.leaks import correlate


def test_correlation_over_known_pairs_equals_scipys() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 4)) * [1, 1e4, 1e-3, 1], rng.standard_normal((200, 3)) + [0, 100, 0]
    x[:, 3] += y[:, 0]
    x[rng.uniform(size=x.shape) < 0.2] = np.nan
    y[rng.uniform(size=y.shape) < 0.2] = np.nan

    r = correlate(x, y)

    for i in range(4):
        for j in range(3):
            both = np.isfinite(x[:, i]) & np.isfinite(y[:, j])
            np.testing.assert_allclose(r[i, j], pearsonr(x[both, i], y[both, j])[0], atol=1e-10)


def test_constant_or_too_short_columns_have_no_correlation() -> None:
    x, y = np.ones((10, 2)), np.arange(10.0)[:, None]
    x[:8, 1] = np.nan

    assert np.isnan(correlate(x, y)).all()
