"""Numbers as text for pages and the terminal."""

from math import isnan

from ..evaluation.daily_statistics import Mean
from ..evaluation.portfolio import ReturnScore

MISSING = "–"


def format_number(value: float | None, digits: int = 4) -> str:
    """Format a number, or a dash for None and NaN."""
    return MISSING if value is None or isnan(value) else f"{value:.{digits}f}"


def format_with_error(mean: Mean) -> str:
    """Format a mean with its standard error."""
    return MISSING if mean.mean is None else f"{format_number(mean.mean)} ± {format_number(mean.se)}"


def format_difference(difference: Mean | None, scale: float = 1.0, digits: int = 4) -> str:
    """Format a paired difference with its standard error and its t value."""
    if difference is None or difference.mean is None:
        return MISSING
    t = f" (t {difference.mean / difference.se:.1f})" if difference.se else ""
    se = format_number(None if difference.se is None else difference.se * scale, digits)
    return f"{difference.mean * scale:+.{digits}f} ± {se}{t}"


def format_sharpe_interval(portfolio: ReturnScore | None) -> str:
    """Format a net Sharpe ratio with its 95 % interval, if that is known."""
    if portfolio is None:
        return MISSING
    low, high = portfolio.net_sharpe_low, portfolio.net_sharpe_high
    interval = "" if low is None or high is None else f" ({low:.1f} to {high:.1f})"
    return format_number(portfolio.net_sharpe, 2) + interval
