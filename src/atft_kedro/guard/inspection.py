"""Inspection of an ML dataset: all guard rules, their parameters and the report."""

import logging
from collections.abc import Callable
from datetime import date
from functools import partial
from types import MappingProxyType
from typing import Any

import polars as pl

from ..params import InputError, Params, list_names
from ..progress import track_progress
from ..schema import ColumnParams, map_columns
from . import extra_columns, keys, leaks, price_rules, values
from .dataset import InspectedDataset
from .drift import DriftParams, NewestFeaturesParams, check_drift, check_newest_features
from .extra_columns import Tables
from .rule import RuleParams, RuleResult

_logger = logging.getLogger(__name__)


class GuardParams(Params):
    """Severity and thresholds of every rule, by the rule's name in the report."""

    columns: RuleParams
    unused: RuleParams
    duplicates: RuleParams
    order: RuleParams
    closed_days: keys.CalendarParams
    missing_days: keys.CalendarParams
    future: RuleParams
    recency: keys.RecencyParams
    day_coverage: keys.CoverageParams
    stock_coverage: keys.CoverageParams
    finite: RuleParams
    missing: values.MissingParams
    constant: RuleParams
    outliers: values.OutlierParams
    prices: RuleParams
    splits: price_rules.StockSplitParams
    targets: price_rules.TargetRuleParams
    leak: leaks.LeakParams
    shifted_target: leaks.ShiftParams
    future_price: leaks.PriceLeakParams
    extra_features: RuleParams
    extra_columns: RuleParams
    newest_features: NewestFeaturesParams
    drift: DriftParams


Rule = Callable[[InspectedDataset, Any], RuleResult]


def list_rules(today: date, historical: bool, find_faults: leaks.FindFaults, tables: Tables) -> dict[str, Rule]:
    """Map the names of all rules to their functions; later days than ``today`` are errors."""
    return {
        "columns": keys.check_columns,
        "unused": keys.check_unused,
        "duplicates": keys.check_duplicates,
        "order": keys.check_order,
        "closed_days": keys.check_closed_days,
        "missing_days": keys.check_missing_days,
        "future": partial(keys.check_future, today=today),
        "recency": partial(keys.check_recency, today=today),
        "day_coverage": keys.check_day_coverage,
        "stock_coverage": keys.check_stock_coverage,
        "finite": values.check_finite,
        "missing": values.check_missing,
        "constant": values.check_constant,
        "outliers": values.check_outliers,
        "prices": price_rules.check_prices,
        "splits": price_rules.check_splits,
        "targets": price_rules.check_targets,
        "leak": leaks.check_leak,
        "shifted_target": leaks.check_shifted_target,
        "future_price": leaks.check_future_price,
        "extra_features": partial(leaks.check_extra_features, find_faults=find_faults),
        "extra_columns": partial(extra_columns.check_extra_columns, tables=tables),
        "newest_features": partial(check_newest_features, historical=historical),
        "drift": check_drift,
    }


def inspect_dataset(
    frame: pl.LazyFrame,
    columns: ColumnParams,
    params: GuardParams,
    today: date,
    find_faults: leaks.FindFaults = lambda prices: {},
    tables: Tables = MappingProxyType({}),
) -> dict[str, Any]:
    """Apply every rule whose severity is not ``off``; return the guard report.

    ``find_faults`` checks plugged-in features on the dataset's prices. ``tables`` have the values of further columns.
    """
    data = InspectedDataset(map_columns(frame, columns))
    if not data.keys.height:
        raise InputError("The ML dataset has no rows.")
    rules = list_rules(today, params.recency.historical, find_faults, tables)
    results = [_apply(name, rule, data, getattr(params, name)) for name, rule in track_progress(rules.items(), "guard")]
    days = data.days["date"]
    return {
        "inspected": str(today),
        "rows": data.keys.height,
        "days": len(days),
        "first": str(days.min()),
        "last": str(days.max()),
        "stocks": data.keys["code"].n_unique(),
        "features": len(data.features),
        "targets": list(data.targets),
        "errors": sum(result.severity == "error" for result in results),
        "warnings": sum(result.severity == "warn" for result in results),
        "checks": [result.model_dump(mode="json") for result in results],
        "statistics": data.statistics.to_dicts(),
    }


def _apply(name: str, rule: Rule, data: InspectedDataset, params: RuleParams) -> RuleResult:
    """Apply one rule and log what breaks it."""
    if params.severity == "off":
        return RuleResult(name=name, severity="skipped", message="switched off")
    result = rule(data, params)
    if not result.count:
        return result.model_copy(update={"name": name})
    level = logging.ERROR if params.severity == "error" else logging.WARNING
    _logger.log(level, "guard: %s: %s", name, result.message)
    return result.model_copy(update={"name": name, "severity": params.severity})


def require_no_error(report: dict[str, Any]) -> dict[str, Any]:
    """Raise an error if a rule of severity ``error`` is broken; else return the verdict."""
    broken = [check for check in report["checks"] if check["severity"] == "error"]
    if broken:
        raise InputError(
            f"The guard stops the run: {len(broken)} rule(s) broken.\n" + "\n".join(map(_describe_broken, broken))
        )
    return {"passed": True} | {name: report[name] for name in ("inspected", "rows", "first", "last", "warnings")}


def _describe_broken(check: dict[str, Any]) -> str:
    """Format a broken rule with its columns, dates, codes and advice."""
    named = [(label, check[label]) for label in ("columns", "dates", "codes") if check[label]]
    details = "; ".join(f"{label}: {list_names(names, most=5)}" for label, names in named)
    advice = " ".join(check["advice"])
    return f"- {check['name']}: {check['message']}" + (f" ({details})" if details else "") + f". {advice}"
