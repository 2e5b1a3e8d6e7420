"""Check that the scores have enough days and stocks, and that no baseline is ahead."""

from collections.abc import Iterator

from ..reporting.format import format_difference
from .check_result import Finding, enlist
from .training_log import Trace

FEW = {"train": "train days", "validation": "validation days", "test": "test days"}
SURE = 2.0  # standard errors; a larger lead is rarely chance
ADVICE = "more days or stocks: more prices, or other days in `split:`"
LISTED = ("test", "validation")  # parts in which a run is compared with baselines


def check_sizes(trace: Trace) -> Iterator[Finding]:
    """Check whether parts have fewer days or stocks than recommended."""
    if trace.split is None or trace.split.needed is None:
        return
    for part, shortage in trace.split.shortages().items():
        size = trace.split.sizes[part]
        numbers = {"days": size.days, "stocks": size.stocks, "error": size.error}
        is_weak = size.error > trace.split.needed.recommend(part).error
        yield Finding(
            about=FEW[part],
            state="watch" if is_weak else "ok",
            measured=shortage,
            advice=(ADVICE,) if is_weak else (),
            numbers=numbers,
        )


def check_baselines(trace: Trace) -> Iterator[Finding]:
    """Check where a baseline's rank IC is ahead of the run's, paired by day."""
    if trace.score is None or not trace.score.baselines:
        return
    behind = []
    for name, parts in trace.score.baselines.items():
        for part in LISTED:
            for horizon, rival in parts.get(part, {}).items():
                lead = rival.differences.get("rank_ic")
                if lead is not None and lead.mean is not None and lead.mean < 0:
                    t = lead.mean / lead.se if lead.se else 0.0
                    behind.append((t, f"{name} over {horizon} d on the {part} days, by {format_difference(lead)}"))
    behind.sort()
    sure = [text for t, text in behind if t < -SURE]
    ahead = f"rank IC less the baseline's is below zero for {enlist([text for _, text in behind])}"
    yield Finding(
        about="baselines",
        state="watch" if sure else "ok",
        measured=ahead if behind else "ahead of every baseline in rank IC",
        advice=("report.html compares the run with every baseline by day",) if sure else (),
        numbers={"behind": len(behind), "surely behind": len(sure)},
    )
