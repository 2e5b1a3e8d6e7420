"""The changelog of runs: a line for each that was handed on, the newest first."""

from pathlib import Path

from ..evaluation.score import RunScore
from ..files import atomic_write, read_json
from ..locks import wait_for_lock
from ..reporting.format import format_number
from ..training.runs import MANIFEST
from .export import ExportedModel, shortest

CHANGELOG = "changelog.md"  # beside the runs
HEAD = ("date", "run", "commit", "dataset", "horizon", "IC", "rank IC", "net Sharpe", "model")


def _row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


RULER = _row(["---"] * len(HEAD))
NEW = f"# Runs that were handed on\n\n{_row(HEAD)}\n{RULER}\n"


def enter(run: Path, exported: ExportedModel, score: RunScore) -> None:
    """Write a run's line into the changelog, in place of the one it had; what people and other runs wrote stays."""
    path, row = run.parent / CHANGELOG, _tell(run, exported, score)
    with wait_for_lock(path.with_name(f".{path.name}.lock")):
        page = _replace_row(path.read_text() if path.exists() else NEW, run.name, row)
        with atomic_write(path) as partial:
            partial.write_text(page)


def _replace_row(page: str, run: str, row: str) -> str:
    """Format a run's row of a page's table."""
    others = [line for line in page.splitlines() if f"| {run} |" not in line]
    begin = others.index(RULER) + 1 if RULER in others else len(others)
    rows = [line for line in others[begin:] if line.startswith("| ")]
    rows = sorted([*rows, row], key=lambda line: line.split(" | ")[1], reverse=True)
    after = [line for line in others[begin:] if not line.startswith("| ")]
    return "\n".join([*others[:begin], *rows, *after, ""])


def _tell(run: Path, exported: ExportedModel, score: RunScore) -> str:
    manifest = read_json(run / MANIFEST)
    commit = manifest["commit"][:9] + (" with changes" if manifest["is_dirty"] else "")
    test = shortest(score)
    horizon = min(score.split["test"])
    day = f"{run.name[:4]}-{run.name[4:6]}-{run.name[6:8]}"
    worth = [format_number(test.ic.mean), format_number(test.rank_ic.mean), format_number(exported.score, 2)]
    return _row([day, run.name, commit, manifest["panel"], f"{horizon}d", *worth, exported.folder])
