"""Test the folders of runs and of exported models."""

from pathlib import Path

from atft_kedro.datasets import ExportedModelsDataset
from atft_kedro.export.model_card import CARD_FILE


def test_a_new_or_rewritten_model_changes_the_fingerprint(tmp_path: Path) -> None:
    models = ExportedModelsDataset(path=str(tmp_path))
    folder = tmp_path / "20200101-a" / "gatfan_20200101_Sharpe1.00"
    none = models._describe()
    folder.mkdir(parents=True)
    (folder / CARD_FILE).write_text("{}")
    one = models._describe()
    (tmp_path / "20200101-a" / "heartbeat.json").write_text("{}")
    (tmp_path / "latest").symlink_to("20200101-a")

    assert none != one == models._describe()
