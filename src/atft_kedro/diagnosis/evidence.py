"""Checks that the splits have enough days and stocks, and that no baseline is better."""

from collections.abc import Iterator

from ..params import list_names
from ..reporting.format import format_difference
from .check_result import TrainingCheck
from .training_log import TrainingLog

CHECK_NAMES = {"train": "train days", "validation": "validation days", "test": "test days"}
SIGNIFICANT_STANDARD_ERRORS = 2.0  # a difference of more standard errors counts as significant
MORE_DATA = "use more days or stocks: more prices, or other days in `split:`"
COMPARED_SPLITS = ("test", "validation")  # splits in which a run is compared with baselines


def check_sizes(log: TrainingLog) -> Iterator[TrainingCheck]:
    """Check whether a split has fewer days or stocks than recommended."""
    if log.split is None or log.split.needed is None:
        return
    for name, shortage in log.split.shortages().items():
        size = log.split.sizes[name]
        is_small = size.error > log.split.needed.recommend(name).error
        yield TrainingCheck(
            name=CHECK_NAMES[name],
            severity="warn" if is_small else "ok",
            message=shortage,
            advice=(MORE_DATA,) if is_small else (),
            numbers={"days": size.days, "stocks": size.stocks, "error": size.error},
        )


def check_baselines(log: TrainingLog) -> Iterator[TrainingCheck]:
    """Check whether a baseline has a higher rank IC than the run, paired by day."""
    if log.score is None or not log.score.baselines:
        return
    better = []
    for name, splits in log.score.baselines.items():
        for split in COMPARED_SPLITS:
            for horizon, baseline in splits.get(split, {}).items():
                difference = baseline.differences.get("rank_ic")
                if difference is not None and difference.mean is not None and difference.mean < 0:
                    t = difference.mean / difference.se if difference.se else 0.0
                    text = f"{name} over {horizon} d on the {split} days, difference {format_difference(difference)}"
                    better.append((t, text))
    better.sort()
    significant = [text for t, text in better if t < -SIGNIFICANT_STANDARD_ERRORS]
    names = list_names((text for _, text in better), 4)
    yield TrainingCheck(
        name="baselines",
        severity="warn" if significant else "ok",
        message=f"rank IC is lower than that of {names}" if better else "rank IC is higher than that of every baseline",
        advice=("report.html compares the run with every baseline by day",) if significant else (),
        numbers={"better": len(better), "significantly better": len(significant)},
    )
