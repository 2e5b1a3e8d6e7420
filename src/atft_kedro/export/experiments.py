"""The page `EXPERIMENTS.md` in the data folder: all runs, the newest first."""

from collections.abc import Mapping
from pathlib import Path

from ..diagnosis.diagnosis import diagnose
from ..evaluation.run_scores import SCORE, read_score
from ..files import atomic_write
from ..locks import wait_for_lock
from ..metrics import METRIC_NAMES
from ..params import InputError
from ..reporting.format import MISSING
from ..reporting.score_columns import SCORE_COLUMNS
from ..reporting.table import Table, format_cells, format_markdown_table
from ..training.run_status import count_epochs, read_training
from ..training.runs import Runs, read_manifest
from .champion import OTHER, ChampionRecord
from .model_folder import PREFIX, ExportedModels

PAGE = "EXPERIMENTS.md"
SPLITS = {"validation": ("rank_ic",), "test": ("rank_ic", "net_sharpe")}  # the score columns of each split
HEADER = (
    *("date", "run", "epochs", "starts from", "commit", "dataset"),
    *(f"{split} {METRIC_NAMES[name]}" for split, names in SPLITS.items() for name in names),
    *("diagnosis", "model", "role"),
)
NOTE = "Scores: the shortest horizon, entered at the next close. A refit has the scores of the run that it repeats."


def write_experiments(changed: Path) -> Path:
    """Write the page of all runs; ``changed`` is the folder of a run that has changed.

    The diagnosis of the other scored runs is that of the page before, because diagnosing a long run takes a second.
    """
    path = changed.parent.parent.parent / PAGE
    models = ExportedModels(Runs(changed.parent, commit="", is_dirty=False))
    with wait_for_lock(changed.parent / f".{PAGE}.lock"):
        record, names, known = models.record, reversed(models.runs.names()), _read_verdicts(path)
        known.pop(changed.name, None)
        rows = [row for name in names if (row := _build_row(models, name, record, known))]
        with atomic_write(path) as partial:
            partial.write_text(format_markdown_table(Table("Runs, the newest first", HEADER, rows, NOTE)) + "\n")
    return path


def _read_verdicts(path: Path) -> dict[str, str]:
    """Read the diagnosis of each run from the page."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return {row[HEADER.index("run")]: row[HEADER.index("diagnosis")] for row in rows if len(row) == len(HEADER)}


def _build_row(models: ExportedModels, name: str, record: ChampionRecord, known: Mapping[str, str]) -> list[str]:
    """Build the row of a run; empty if another version of this project wrote its manifest."""
    run = models.runs.folder / name
    try:
        manifest, training, epochs = read_manifest(run), read_training(run), count_epochs(run)
        commit = manifest["commit"][:9] + (" with changes" if manifest["is_dirty"] else "")
        panel = str(manifest["panel"])
    except InputError:
        return []
    day = f"{name[:4]}-{name[4:6]}-{name[6:8]}"
    start = f"refit of {training.refit_of}" if training.refit_of else training.init_from or MISSING
    role = record.find_role(name)
    model = next((path.name for path in run.glob(f"{PREFIX}*")), MISSING)
    scores = _format_scores(run)
    is_known = name in known and scores[0] != MISSING
    return [
        *(day, name, str(epochs) if epochs else "some steps", start, commit, panel),
        *scores,
        *(known[name] if is_known else _diagnose(run), model, MISSING if role == OTHER else role),
    ]


def _format_scores(run: Path) -> list[str]:
    try:
        score = read_score(run) if (run / SCORE).exists() else None
    except InputError:
        score = None
    cells: list[str] = []
    for split, names in SPLITS.items():
        horizons = score.entries[max(score.entries)].split.get(split, {}) if score else {}
        cells += format_cells(SCORE_COLUMNS, names, horizons[min(horizons)]) if horizons else [MISSING] * len(names)
    return cells


def _diagnose(run: Path) -> str:
    try:
        return diagnose(run).severity
    except InputError:
        return MISSING
