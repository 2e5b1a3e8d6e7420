"""The panel on disk: every number is at its place, and changed files are refused."""

import hashlib
import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from atft_kedro.panel import build, store
from atft_kedro.panel.store import (
    FEATURES,
    HEADER,
    TARGETS,
    TENSORS,
    FileState,
    Panel,
    PanelHeader,
    compute_identity,
    open_panel,
    read_header,
)
from atft_kedro.panel.write import write_panel
from atft_kedro.params import InputError
from atft_kedro.schema import feature_columns
from factories.datasets import batches_of, make_panel, plan_of


def find(folder: Path, name: str) -> Path:
    """Find a panel's file."""
    return folder / read_header(folder).folder / name


def test_every_value_is_found_by_stock_and_day(ml_dataset: pl.DataFrame, panel: Panel) -> None:
    features = feature_columns(ml_dataset.schema)
    place = features.index("ret_5")
    by_stock = ml_dataset.sort("code", "date")
    raw = by_stock["ret_5"].to_numpy()
    scaled = panel.features[:-1, place].float().numpy()
    known = np.isfinite(raw)

    assert panel.features.dtype == torch.float16
    assert panel.metadata.features == tuple(features)
    assert (np.isnan(scaled) == ~known).all()
    assert stats_agree(raw[known], scaled[known])
    assert np.array_equal(
        panel.targets[:-1].numpy(),
        by_stock.select("target_1d", "target_5d", "target_10d", "target_20d").to_numpy(),
        equal_nan=True,
    )
    assert panel.metadata.horizons == (1, 5, 10, 20)
    assert panel.targets[-1].isnan().all()
    assert panel.features[-1].isnan().all()


def test_a_panel_of_an_earlier_version_without_delisting_dates_is_opened(panel: Panel, tmp_path: Path) -> None:
    header = json.loads((tmp_path / "panel" / HEADER).read_text())
    assert header["metadata"].pop("delisting_dates") == {}
    (tmp_path / "panel" / HEADER).write_text(json.dumps(header))
    lines = [json.dumps(header["metadata"], separators=(",", ":"))]  # as the earlier version hashed them
    lines += [f"{name} {state['digest']}" for name, state in sorted(header["files"].items())]
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16] == panel.identity

    assert open_panel(tmp_path / "panel").identity == panel.identity


def stats_agree(raw: np.ndarray, scaled: np.ndarray) -> bool:
    """One line maps the raw to the scaled values, up to 16 bits and the clip."""
    inside = np.abs(scaled) < 5
    slope, middle = np.polyfit(raw[inside].astype(np.float64), scaled[inside].astype(np.float64), 1)
    return bool(np.abs(slope * raw[inside] + middle - scaled[inside]).max() < 3e-3)


def test_the_market_tensor_has_the_daily_mean_and_deviation_over_the_universe(panel: Panel) -> None:
    day, features = 200, len(panel.metadata.features)
    rows = panel.row_of[day][panel.eligible[day]].long()
    values = panel.features[rows].double().numpy()
    some = ~np.isnan(values).all(axis=0)

    assert np.allclose(panel.market[day, :features][some], np.nanmean(values[:, some], axis=0), atol=2e-3)
    assert np.allclose(panel.market[day, features:][some], np.nanstd(values[:, some], axis=0), atol=2e-3)
    assert (panel.market[0] == 0).all()  # no stock is in the universe yet
    assert panel.market.shape == (len(panel.metadata.days), 2 * features)


def test_rows_are_found_by_day_and_stock(ml_dataset: pl.DataFrame, panel: Panel) -> None:
    codes, days = list(panel.metadata.codes), panel.metadata.days
    row = panel.row_of[days.index(ml_dataset["date"][999]), codes.index(ml_dataset["code"][999])]

    assert panel.targets[row, 0].item() == ml_dataset["target_1d"][999]
    assert (panel.row_of >= 0).sum() == ml_dataset.height
    sectors = dict(ml_dataset.select("code", "sector").unique().iter_rows())
    assert [[name for _, name in history] for history in panel.metadata.sectors] == [[sectors[code]] for code in codes]


def test_sector_changes_are_listed_with_their_first_day(ml_dataset: pl.DataFrame) -> None:
    code, days = ml_dataset["code"][0], ml_dataset.filter(code=ml_dataset["code"][0])["date"].sort()
    sector = pl.when(pl.col("date") < days[30]).then(None).when(pl.col("date") < days[60]).then(pl.lit("old"))
    known = sector.otherwise(pl.when(pl.col("date") == days[80]).then(None).otherwise(pl.lit("new")))
    moved = ml_dataset.with_columns(pl.when(code=code).then(known).otherwise("sector").alias("sector"))

    (history,) = build._list_sectors(moved.filter(code=code).sample(fraction=1, shuffle=True, seed=1).lazy(), [code])

    assert history == ((days[30], "old"), (days[60], "new"))


def test_the_order_of_rows_and_the_size_of_periods_change_nothing(
    ml_dataset: pl.DataFrame, panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shuffled = make_panel(ml_dataset.sample(fraction=1, shuffle=True, seed=9), tmp_path / "shuffled")
    by_stock = make_panel(ml_dataset.sort("code", "date"), tmp_path / "by_stock")
    monkeypatch.setattr(build, "VALUES_PER_BATCH", 59 * 100)
    in_small_pieces = make_panel(ml_dataset, tmp_path / "small")
    other = make_panel(ml_dataset.with_columns(pl.col("ret_1") * 2), tmp_path / "other")

    assert {shuffled.identity, by_stock.identity, in_small_pieces.identity} == {panel.identity}
    assert other.identity == panel.identity  # a scale is taken away: the same numbers, the same panel
    assert make_panel(ml_dataset[:-1], tmp_path / "less").identity != panel.identity


def test_a_copied_panel_is_opened_and_a_changed_one_refused(panel: Panel, tmp_path: Path) -> None:
    folder = tmp_path / "panel"
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)

    assert open_panel(copy).identity == panel.identity
    assert find(copy, FEATURES).stat().st_mtime_ns == find(folder, FEATURES).stat().st_mtime_ns  # hashed once
    with find(copy, FEATURES).open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"\x01")
    with pytest.raises(InputError, match=r"features.npy was changed after it was written. Build the panel again"):
        open_panel(copy)


@pytest.mark.parametrize("name", TENSORS)
def test_a_truncated_or_missing_file_is_refused(panel: Panel, tmp_path: Path, name: str) -> None:
    path = find(tmp_path / "panel", name)
    os.truncate(path, path.stat().st_size - 1)

    with pytest.raises(InputError, match=f"{name} has .* bytes instead of .*: it is truncated"):
        open_panel(tmp_path / "panel")
    path.unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        open_panel(tmp_path / "panel")


def test_a_changed_or_broken_header_is_refused(panel: Panel, tmp_path: Path) -> None:
    path = tmp_path / "panel" / HEADER
    header = json.loads(path.read_text())
    header["metadata"]["features"][0] = "other"
    path.write_text(json.dumps(header))

    with pytest.raises(InputError, match=r"panel.json was changed"):
        open_panel(tmp_path / "panel")
    path.write_text("{")
    with pytest.raises(InputError, match=r"panel.json is not readable.*Build the panel again"):
        open_panel(tmp_path / "panel")
    with pytest.raises(InputError, match="There is no panel at"):
        open_panel(tmp_path / "nowhere")


def test_changes_of_the_tensors_do_not_reach_the_file(panel: Panel, tmp_path: Path) -> None:
    before = {name: find(tmp_path / "panel", name).read_bytes() for name in (FEATURES, TARGETS)}

    panel.features[0] = 1
    panel.targets[0] = 1

    assert {name: find(tmp_path / "panel", name).read_bytes() for name in before} == before
    assert open_panel(tmp_path / "panel").features[0].ne(1).any()


def test_an_open_panel_survives_a_new_build(panel: Panel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, features = tmp_path / "panel", panel.features.clone()
    (folder / "features.npy").touch()  # as an earlier version laid its tensors
    other = [piece._replace(features=piece.features + 1) for piece in batches_of(panel)]
    read = store.read_header

    def made_anew_after_the_header_is_read(folder: Path) -> PanelHeader:
        monkeypatch.undo()
        header = read(folder)
        write_panel(folder, plan_of(panel, other))
        return header

    monkeypatch.setattr(store, "read_header", made_anew_after_the_header_is_read)
    opened = open_panel(folder)

    assert torch.equal(panel.features.nan_to_num(), features.nan_to_num())
    assert opened.identity != panel.identity
    assert {path.name for path in folder.iterdir()} == {HEADER, read(folder).folder}


def test_another_feature_catalogue_is_refused(panel: Panel) -> None:
    features = panel.metadata.features
    size = len(features)

    panel.require_features("abc", features)
    with pytest.raises(
        InputError,
        match=rf"needs {size - 1} \(hash abc\). Missing in the panel: \[\]; unknown to the model: \['.*'\]",
    ):
        panel.require_features("abc", features[:-1])
    with pytest.raises(InputError, match=rf"holds {size} features \(hash abc\), the model needs {size} \(hash other\)"):
        panel.require_features("other", features)


def test_opening_takes_little_time_and_memory(panel: Panel, tmp_path: Path) -> None:
    """Eight sparse gigabytes, as they would be after they were written."""
    folder = tmp_path / "panel"
    matrix = np.lib.format.open_memmap(find(folder, FEATURES), mode="w+", dtype=np.float16, shape=(1_000_000, 4_000))
    del matrix
    found = find(folder, FEATURES).stat()
    header = PanelHeader.model_validate_json((folder / HEADER).read_text())
    large = FileState(size=found.st_size, modified_ns=found.st_mtime_ns, digest="as it was written")
    files = header.files | {FEATURES: large}
    changed = header.model_copy(update={"files": files, "identity": compute_identity(header.metadata, files)})
    (folder / HEADER).write_text(changed.model_dump_json())

    started = time.perf_counter()
    opened = open_panel(folder)

    assert time.perf_counter() - started < 0.5
    assert opened.features.nbytes == 8e9
