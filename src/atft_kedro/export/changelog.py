"""The changelog of exported runs, newest first."""

from pathlib import Path

from ..evaluation.score import RunScore
from ..files import atomic_write
from ..locks import wait_for_lock
from ..reporting.score_columns import CHANGELOG_COLUMNS, SCORE_COLUMNS
from ..reporting.table import format_cells, list_headers
from ..training.runs import read_manifest
from .model_folder import ExportedModel, select_shortest_horizon

CHANGELOG = "changelog.md"  # in the folder of all runs
HEADER = ("date", "run", "commit", "dataset", "horizon", *list_headers(SCORE_COLUMNS, CHANGELOG_COLUMNS), "model")


def _format_row(cells: list[str] | tuple[str, ...]) -> str:
    return f"| {' | '.join(cells)} |"


RULER = _format_row(["---"] * len(HEADER))
EMPTY_PAGE = f"# Exported runs\n\n{_format_row(HEADER)}\n{RULER}\n"


def add_to_changelog(run: Path, exported: ExportedModel, score: RunScore) -> None:
    """Add or replace a run's row; other rows and text around the table stay."""
    path, row = run.parent / CHANGELOG, _build_row(run, exported, score)
    with wait_for_lock(path.with_name(f".{path.name}.lock")):
        page = _replace_row(path.read_text() if path.exists() else EMPTY_PAGE, run.name, row)
        with atomic_write(path) as partial:
            partial.write_text(page)


def _replace_row(page: str, run: str, row: str) -> str:
    """Replace a run's row in the table of a page."""
    others = [line for line in page.splitlines() if f"| {run} |" not in line]
    start = others.index(RULER) + 1 if RULER in others else len(others)
    rows = [line for line in others[start:] if line.startswith("| ")]
    rows = sorted([*rows, row], key=lambda line: line.split(" | ")[1], reverse=True)
    after = [line for line in others[start:] if not line.startswith("| ")]
    return "\n".join([*others[:start], *rows, *after, ""])


def _build_row(run: Path, exported: ExportedModel, score: RunScore) -> str:
    manifest = read_manifest(run)
    commit = manifest["commit"][:9] + (" with changes" if manifest["is_dirty"] else "")
    test = select_shortest_horizon(score)
    horizon = min(score.split["test"])
    day = f"{run.name[:4]}-{run.name[4:6]}-{run.name[6:8]}"
    scores = format_cells(SCORE_COLUMNS, CHANGELOG_COLUMNS, test)
    return _format_row([day, run.name, commit, manifest["panel"], f"{horizon}d", *scores, exported.folder])
