"""The names that the predecessor gave its trainings."""

import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("train-quick EPOCHS=5 GRAPH_WINDOW=120", 'run --params "graph.window=120,training.epochs=5"'),
        ("train-quick", 'run --params "training.epochs=3"'),
        ("train-safe FP32=1 BATCH_SIZE=4", 'run --env safe --params "training.days_per_block=4"'),
        ("train-optimized", "run --env production"),
        (
            "train-optimized DATASET=x.parquet",
            "run --env dataset --from-inputs ml_dataset --params "
            '"ml_dataset=x.parquet,training.precision=bf16,training.compile=true,network.hidden_size=256"',
        ),
        (
            "train-safe DATASET=x.parquet",
            "run --env dataset --from-inputs ml_dataset --params "
            '"ml_dataset=x.parquet,training.deterministic=true,training.detect_anomaly=true"',
        ),
        ("smoke GRADIENT_ACCUMULATION_STEPS=2", 'run --env smoke --params "training.accumulate=2"'),
        ("train-status", "atft status"),
        ("train-monitor", "atft monitor"),
        ("train-stop", "atft stop"),
    ],
)
def test_the_old_names_are_kedro_commands(project: Path, words: str, command: str) -> None:
    said = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "-o", ".venv/installed", *words.split()],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )

    assert " ".join(said.stdout.split()) == f".venv/bin/kedro {command}"
