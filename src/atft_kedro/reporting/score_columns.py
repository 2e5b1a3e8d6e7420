"""The columns of score tables: their headers, and how every page and command computes and formats their values."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from ..evaluation.daily_statistics import Mean
from ..evaluation.entries import name_entry
from ..evaluation.oracle_comparison import OracleComparison
from ..evaluation.position_score import COST_KINDS, PositionPortfolioScore, PositionScore
from ..evaluation.published import PublishedScore
from ..evaluation.score import HorizonScore
from ..metrics import METRIC_NAMES
from .format import MISSING, format_difference, format_number, format_sharpe_interval, format_with_error
from .table import Column, Columns

NET_SHARPE_INTERVAL = f"{METRIC_NAMES['net_sharpe']} (95 %)"
BASIS_POINTS_PER_DAY: dict[str, Any] = {"scale": 1e4, "digits": 2}  # of a difference of daily returns
TWO, THREE = partial(format_number, digits=2), partial(format_number, digits=3)


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.1f} %"


def _basis_points(mean: float | None) -> str:
    return MISSING if mean is None else f"{1e4 * mean:.1f}"


def _amount(value: float | None) -> str:
    return MISSING if value is None else f"{value:,.0f}"


def _get_cost(score: PositionPortfolioScore, kind: str) -> float:
    return score.costs[kind]


def _net_sharpe(score: HorizonScore) -> float | None:
    return score.long_short.net_sharpe if score.long_short else None


CORRELATION_COLUMNS: Columns[Any] = {  # of anything with the means `ic` and `rank_ic`
    "ic": Column(METRIC_NAMES["ic"], lambda score: score.ic.mean),
    "ic_se": Column("± se", lambda score: score.ic.se),
    "ic_with_se": Column(f"{METRIC_NAMES['ic']} ± se", lambda score: score.ic, format_with_error),
    "ic_ir": Column(METRIC_NAMES["ic_ir"], lambda score: score.ic.ir, THREE),
    "nonoverlapping_ic": Column(
        f"{METRIC_NAMES['ic']}, non-overlapping days", lambda score: score.ic.nonoverlapping_mean
    ),
    "nonoverlapping_ic_se": Column("± se", lambda score: score.ic.nonoverlapping_se),
    "rank_ic": Column(METRIC_NAMES["rank_ic"], lambda score: score.rank_ic.mean),
    "rank_ic_se": Column("± se", lambda score: score.rank_ic.se),
    "rank_ic_with_se": Column(f"{METRIC_NAMES['rank_ic']} ± se", lambda score: score.rank_ic, format_with_error),
    "rank_ic_ir": Column(METRIC_NAMES["rank_ic_ir"], lambda score: score.rank_ic.ir, THREE),
}
SCORE_COLUMNS: Columns[HorizonScore] = {
    **CORRELATION_COLUMNS,
    "hit_rate": Column(METRIC_NAMES["hit_rate"], lambda score: score.hit_rate.mean, THREE),
    "scale": Column("scale", lambda score: score.scale.mean, TWO),
    "net_sharpe": Column(METRIC_NAMES["net_sharpe"], _net_sharpe, TWO),
    "net_sharpe_interval": Column(NET_SHARPE_INTERVAL, lambda score: score.long_short, format_sharpe_interval),
    "stocks": Column("stocks a day", lambda score: score.stocks, partial(format_number, digits=0)),
    "days": Column("days", lambda score: score.ic.days, str),
}

# The columns of each table of scores
SPLIT_COLUMNS = (
    *("ic", "ic_se", "rank_ic", "rank_ic_se", "nonoverlapping_ic", "nonoverlapping_ic_se", "ic_ir"),
    *("hit_rate", "scale", "stocks", "days"),
)
RUN_COLUMNS = ("ic", "ic_se", "rank_ic", "rank_ic_se", "hit_rate", "net_sharpe", "days")  # 80 characters wide
COMPARED_COLUMNS = ("ic_with_se", "rank_ic_with_se", "net_sharpe")
MEMBER_COLUMNS = ("ic", "rank_ic", "ic_ir", "rank_ic_ir")
FOLD_COLUMNS = ("ic", "ic_se", "rank_ic", "rank_ic_se", "net_sharpe_interval")
BENCHMARK_COLUMNS = ("ic_with_se", "ic_ir", "rank_ic_with_se", "rank_ic_ir")
BENCHMARK_OTHER_COLUMNS = ("ic_with_se", "rank_ic_with_se")  # at the entries that the targets do not have
SPREAD_COLUMNS = ("ic", "ic_ir", "rank_ic", "rank_ic_ir")
SPREAD_OTHER_COLUMNS = ("ic", "rank_ic")
ROBUSTNESS_COLUMNS = ("ic", "ic_ir", "rank_ic")
ENTRY_COLUMNS = ("rank_ic", "rank_ic_se", "net_sharpe")

PORTFOLIO_COLUMNS: Columns[Any] = {
    "gross_bp": Column("gross bp", lambda score: score.gross_mean, _basis_points),
    "net_bp": Column("net bp", lambda score: score.net_mean, _basis_points),
    "gross_sharpe": Column("gross Sharpe", lambda score: score.gross_sharpe, TWO),
    "net_sharpe_interval": Column(NET_SHARPE_INTERVAL, lambda score: score, format_sharpe_interval),
    "probability_above_zero": Column("probability above 0", lambda score: score.probability_above_zero, THREE),
    "turnover": Column("turnover", lambda score: score.turnover, TWO),
    "drawdown": Column("drawdown", lambda score: score.drawdown, _percent),
    "unknown_returns": Column("unknown returns", lambda score: score.unknown_returns, _percent),
    "median_traded_value": Column("traded value", lambda score: score.median_traded_value, _amount),
}

POSITION_COLUMNS: Columns[PositionPortfolioScore] = {
    **{name: PORTFOLIO_COLUMNS[name] for name in ("net_sharpe_interval", "gross_sharpe", "net_bp", "gross_bp")},
    "turnover": Column("turnover", lambda score: score.turnover, THREE),
    "drawdown": PORTFOLIO_COLUMNS["drawdown"],
    "risk_ratio": Column("realised / predicted risk", lambda score: score.risk_ratio, TWO),
    "gross_exposure": Column("exposure", lambda score: score.gross_exposure, TWO),
    "net_exposure": Column("net exposure", lambda score: score.net_exposure, TWO),
}
RETURN_SOURCE_COLUMNS: Columns[PositionPortfolioScore] = {
    "specific": Column("single stocks", lambda score: score.specific_mean, _basis_points),
    "factor": Column("factors", lambda score: score.factor_mean, _basis_points),
    "gross_bp": PORTFOLIO_COLUMNS["gross_bp"],
    **{kind: Column(f"− {kind}", partial(_get_cost, kind=kind), _basis_points) for kind in COST_KINDS},
    "net_bp": PORTFOLIO_COLUMNS["net_bp"],
}
COMPARED_POSITION_COLUMNS: Columns[PositionScore] = {
    "net_sharpe_interval": Column(NET_SHARPE_INTERVAL, lambda score: score.optimised, format_sharpe_interval),
    "net_bp": Column("net bp", lambda score: score.optimised.net_mean, _basis_points),
    "turnover": Column("turnover", lambda score: score.optimised.turnover, THREE),
    "sharpe_ratio": Column("net Sharpe / best book's", lambda score: score.sharpe_ratio, TWO),
    "difference": Column(
        "net bp − best book's",
        lambda score: score.difference_at_equal_risk,
        partial(format_difference, **BASIS_POINTS_PER_DAY),
    ),
    "entry": Column("entry", lambda score: score.entry.replace("_", " "), str),
    "capital": Column("capital", lambda score: score.capital, _amount),
    "days": Column("days", lambda score: score.optimised.days, str),
}

PUBLISHED_COLUMNS: Columns[PublishedScore] = {
    "ic": Column(METRIC_NAMES["ic"], lambda score: score.ic),
    "ric": Column('"RIC"', lambda score: score.ric, THREE),
    "precision": Column("prec@10", lambda score: score.precision, THREE),
    "sharpe": Column("SR", lambda score: score.sharpe, TWO),
}

DIFFERENCE_COLUMNS: Columns[Mapping[str, Mean]] = {  # of paired daily differences by metric
    "rank_ic": Column(METRIC_NAMES["rank_ic"], lambda differences: differences.get("rank_ic"), format_difference),
    "ic": Column(METRIC_NAMES["ic"], lambda differences: differences.get("ic"), format_difference),
    "long_short_net": Column(
        "net bp per day",
        lambda differences: differences.get("long_short_net"),
        partial(format_difference, **BASIS_POINTS_PER_DAY),
    ),
}

ORACLE_COLUMNS: Columns[OracleComparison] = {
    "ic": CORRELATION_COLUMNS["ic"],
    "ic_se": CORRELATION_COLUMNS["ic_se"],
    "oracle_ic": Column(f"oracle's {METRIC_NAMES['ic']}", lambda compared: compared.oracle_ic.mean),
    "oracle_ic_se": Column("± se", lambda compared: compared.oracle_ic.se),
    "share": Column("run's IC / oracle's IC", lambda compared: compared.share, _percent),
    "agreement": Column("agreement with the oracle", lambda compared: compared.agreement, THREE),
}

EPOCH_COLUMNS: Columns[Mapping[str, Any]] = {  # of the lines that a training writes after each epoch
    "seed": Column("seed", lambda epoch: epoch["seed"], str),
    "phase": Column("phase", lambda epoch: epoch["phase"], str),
    "epoch": Column("epoch", lambda epoch: epoch["epoch"], str),
    "train_loss": Column("train loss", lambda epoch: epoch["train_loss"]),
    "rank_ic": Column(METRIC_NAMES["rank_ic"], lambda epoch: epoch["validation"]["rank_ic"]),
    "best": Column("best score so far", lambda epoch: epoch["best"]),
    "scale": Column("scale", lambda epoch: epoch["validation"]["scale"], THREE),
    "seconds": Column("seconds", lambda epoch: epoch["seconds"], partial(format_number, digits=1)),
}

TRACKED = ("ic", "rank_ic", "net_sharpe")  # metrics that a tracker receives
TRACKED_OF_POSITIONS = ("net_sharpe", "gross_sharpe", "net_mean", "turnover", "risk_ratio")


def collect_metrics(prefix: str, entries: Mapping[int, Mapping[int, HorizonScore]], entry_lag: int) -> dict[str, float]:
    """Collect the tracked metrics of scores as ``prefix/entry/metric_5d``."""
    metrics: dict[str, float | None] = {}
    for lag, horizons in entries.items():
        group = prefix if lag == entry_lag else f"{prefix}/{name_entry(lag).replace(' ', '_')}"
        for horizon, score in horizons.items():
            metrics |= {f"{group}/{name}_{horizon}d": SCORE_COLUMNS[name].compute(score) for name in TRACKED}
    return {name: value for name, value in metrics.items() if value is not None}


def collect_position_metrics(prefix: str, score: PositionScore | None) -> dict[str, float]:
    """Collect the tracked metrics of optimised positions as ``prefix/positions_metric``."""
    if score is None:
        return {}
    metrics = {name: getattr(score.optimised, name) for name in TRACKED_OF_POSITIONS}
    metrics["sharpe_ratio"] = score.sharpe_ratio
    return {f"{prefix}/positions_{name}": value for name, value in metrics.items() if value is not None}
