"""Test that progress yields every item and logs lines without a terminal."""

import pytest

from atft_kedro import progress


def test_progress_is_logged(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(progress, "LOG_INTERVAL", -1.0)
    with caplog.at_level("INFO", logger=progress.__name__):
        items = list(progress.track_progress(["a", "b"], "folds"))

    assert items == ["a", "b"]
    assert [record.getMessage() for record in caplog.records] == ["folds: 1 of 2", "folds: 2 of 2"]
