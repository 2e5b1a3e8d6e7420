"""What a correlation of the graphs is, the slow way."""

import numpy as np

from atft_kedro.graph.neighbours import GraphParams
from factories.params import make_params

CLIP = make_params(GraphParams).clip


def slow_correlation(returns: np.ndarray, weights: np.ndarray, one: int, other: int) -> float:
    """The definition, in float64 and pair by pair: an unknown return counts as the mean, a wild one as its bound."""

    def relative(stock: int) -> np.ndarray:
        known = np.isfinite(returns[:, stock])
        x, w = returns[known, stock], weights[known]
        x = x - np.average(x, weights=w)
        bound = CLIP * np.sqrt(np.average(x * x, weights=w))
        x = np.clip(x, -bound, bound)
        whole = np.zeros(len(returns))
        whole[known] = x - np.average(x, weights=w)
        return whole

    x, y = relative(one), relative(other)
    lengths = np.sqrt((weights * x * x).sum() * (weights * y * y).sum())
    return float((weights * x * y).sum() / lengths) if lengths > 0 else 0.0
