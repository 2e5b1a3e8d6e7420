"""Numbers as pages write them."""

from ..evaluation.daily_statistics import Mean
from ..evaluation.portfolio import PortfolioScore


def format_sharpe_interval(book: PortfolioScore) -> str:
    """Write a net Sharpe ratio with its interval, where there is one."""
    low, high = book.net_sharpe_low, book.net_sharpe_high
    return format_number(book.net_sharpe, 2) + ("" if low is None or high is None else f" ({low:.1f} to {high:.1f})")


def format_difference(lead: Mean | None, scale: float = 1.0, digits: int = 4) -> str:
    """Write a difference with its error and its t."""
    if lead is None or lead.mean is None:
        return "–"
    t = f" (t {lead.mean / lead.se:.1f})" if lead.se else ""
    return f"{lead.mean * scale:+.{digits}f} ± {format_number(None if lead.se is None else lead.se * scale, digits)}{t}"


def format_number(value: float | None, digits: int = 4) -> str:
    """Write a number, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
