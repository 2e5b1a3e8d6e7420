"""A run's score as a page of text."""

from ..evaluation.score import HorizonScore, RunScore

HEAD = (
    *("horizon", "IC", "± se", "rank IC", "± se", "hit rate", "scale"),
    *("gross Sharpe", "net Sharpe (95 %)", "turnover", "days"),
)


def write_summary(score: RunScore) -> str:
    """Tell each part's numbers, horizon by horizon."""
    pages = [f"# Run {score.run}"]
    for part, horizons in score.split.items():
        first, last = score.days[part]
        rows = [HEAD, ["---"] * len(HEAD), *(tell(name, told) for name, told in horizons.items())]
        table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
        pages.append(f"## {part.capitalize()}: {first} to {last}\n\n{table}")
    return "\n\n".join(pages) + "\n"


def tell(name: str, told: HorizonScore) -> list[str]:
    """Tell one horizon's numbers, as `HEAD` names them."""
    book = told.long_short
    traded = ["", "", ""]
    if book is not None:
        between = f"{say(book.net_sharpe_low, 1)} to {say(book.net_sharpe_high, 1)}"
        traded = [say(book.gross_sharpe, 2), f"{say(book.net_sharpe, 2)} ({between})", say(book.turnover, 2)]
    return [
        f"{name[1:]}d",
        say(told.ic.mean),
        say(told.ic.se),
        say(told.rank_ic.mean),
        say(told.rank_ic.se),
        say(told.hit_rate.mean, 3),
        say(told.scale.mean, 2),
        *traded,
        str(told.ic.days),
    ]


def say(value: float | None, digits: int = 4) -> str:
    """Write a number, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
