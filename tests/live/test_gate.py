"""The gate: a better challenger passes, a worse one does not, and learned days are never compared."""

import json
import shutil
from copy import deepcopy
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
import torch

from atft_kedro.evaluation.score import ScoringParams
from atft_kedro.export.champion import ChampionRecord, GateVerdict, Promotion, update_record
from atft_kedro.export.model import Model
from atft_kedro.export.model_folder import ExportedModels, export_model
from atft_kedro.export.predict import PredictParams
from atft_kedro.guard.keys import RecencyParams
from atft_kedro.live.gate import VERDICT_FILE, ChampionParams, GateData, apply_gate
from atft_kedro.panel.blocks import BlockReader
from atft_kedro.panel.scaler import FeatureCatalogue
from atft_kedro.params import InputError
from atft_kedro.training.forecasting import TrainedNetwork, forecast_blocks
from atft_kedro.training.initial_weights import find_learned_until
from atft_kedro.training.runs import read_manifest
from factories.exports import Trained
from factories.params import make_params

SPAN = 20  # of the longest label


def scramble(member: TrainedNetwork) -> TrainedNetwork:
    """Copy a network with random weights."""
    network, generator = deepcopy(member.network), torch.Generator().manual_seed(3)
    for weight in network.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) / 3
    return replace(member, network=network)


@pytest.fixture
def models(trained: Trained, tmp_path: Path) -> ExportedModels:
    """Two runs: ``good`` is the trained one, ``bad`` has random weights and is the champion since yesterday."""
    runs = replace(trained.runs, folder=tmp_path / "runs")
    for name in ("good", "bad"):
        shutil.copytree(trained.run, runs.folder / name, ignore=shutil.ignore_patterns("gatfan_*"))
        members = trained.members if name == "good" else [scramble(member) for member in trained.members]
        score = trained.score.model_copy(update={"run": name})
        export_model(runs.folder / name, members, trained.inputs, trained.corrections, score)
    crown(models := ExportedModels(runs), "bad")
    return models


def crown(models: ExportedModels, run: str, days_ago: int = 1) -> None:
    """Make a run the champion since some days."""
    at = str(date.today() - timedelta(days=days_ago))
    change = Promotion(run=run, at=at, how="forced", reason="tested")
    models.path.unlink(missing_ok=True)
    update_record(models.path, ChampionRecord(), lambda record: record.promote(change))


@pytest.fixture
def data(trained: Trained, model: Model, catalogue: FeatureCatalogue) -> GateData:
    """A dataset whose returns, entered at the next close, follow the forecasts of ``good`` with noise."""
    days = trained.dataset["date"].n_unique() - 60
    known = model.forecast(trained.dataset, days).filter(horizon=1).sort("code", "date")
    known = known.select("date", "code", pl.col("forecast").shift().over("code"))
    joined = trained.dataset.join(known, on=["date", "code"], how="left", maintain_order="left")
    noise = pl.Series(torch.randn(len(joined), generator=torch.Generator().manual_seed(5)).numpy())
    planted = (pl.col("forecast") * 0.01 + noise * 0.02).cast(pl.Float32).alias("target_1d")
    newest = trained.dataset["date"].max()
    return GateData(
        joined.with_columns(planted).drop("forecast").lazy(),
        catalogue,
        0,
        {"last": str(newest)},
        newest,
        make_params(RecencyParams),
    )


def compare(models: ExportedModels, run: str, data: GateData, **changes: object) -> GateVerdict:
    params, limits = make_params(ChampionParams, **changes), make_params(PredictParams, max_age_days=3)
    return apply_gate(models, run, data, params, make_params(ScoringParams), limits)


def list_failed(verdict: GateVerdict) -> list[str]:
    return [rule.name for rule in verdict.rules if not rule.is_met]


def test_a_better_challenger_passes_on_days_that_neither_has_learned_from(
    models: ExportedModels, data: GateData
) -> None:
    verdict = compare(models, "good", data)

    dates = data.dataset.select("date").collect()["date"].unique().sort()
    learned = find_learned_until(read_manifest(models.runs.folder / "good"))
    assert list_failed(verdict) == []
    assert verdict.passed
    assert verdict.first == str(dates.filter(dates > learned)[SPAN])  # labels of a learned day end before
    assert verdict.last == str(dates[-2])  # entered at the next close, the newest planted return is unknown
    stored = (models.runs.folder / "good" / VERDICT_FILE).read_text()
    assert GateVerdict.model_validate_json(stored) == verdict


@pytest.mark.parametrize("days_ago", [1, 200])
def test_a_worse_challenger_fails_also_against_an_old_champion(
    models: ExportedModels, data: GateData, days_ago: int
) -> None:
    crown(models, "good", days_ago)
    today = replace(data, today=date.today()) if days_ago > 1 else data
    failed = list_failed(compare(models, "bad", today, min_rank_ic=0.5))

    assert failed[:2] == ["lead in rank IC", "rank IC"]


def test_an_old_champion_is_replaced_with_a_smaller_lead(models: ExportedModels, data: GateData) -> None:
    crown(models, "bad", days_ago=200)
    live = replace(data, today=date.today())

    young, old = (compare(models, "good", live, min_t=99.0, old_after_days=days) for days in (300, 90))

    assert "lead in rank IC" in list_failed(young)
    assert "lead in rank IC" not in list_failed(old)
    assert "t above -1, because the champion is older than 90 days" in old.rules[1].result


def test_days_that_a_model_has_learned_from_are_not_compared(models: ExportedModels, data: GateData) -> None:
    manifest = models.runs.folder / "bad" / "manifest.json"
    newest = data.dataset.select(pl.col("date").max()).collect().item()
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"learned_until": str(newest)}))

    verdict = compare(models, "good", data)

    assert list_failed(verdict) == ["comparison"]
    assert "No day is left that neither bad nor good has learned from" in verdict.rules[0].result
    assert verdict.first is None


def test_goals_old_data_and_uninspected_days_are_refused(models: ExportedModels, data: GateData) -> None:
    stale = replace(data, today=data.today + timedelta(days=30), guard_verdict={"last": "2016-01-01"})

    with pytest.raises(InputError, match="Run good is not scored"):
        compare(models, "good", stale, goals=["rank_ic_h1"])
    assert list_failed(compare(models, "good", stale)) == ["guard", "age of the data"]


def test_the_champion_is_not_its_own_challenger(models: ExportedModels, data: GateData) -> None:
    with pytest.raises(InputError, match="Run bad is already the champion"):
        compare(models, "bad", data)


def test_a_refit_is_not_compared_with_its_own_recipe(models: ExportedModels, data: GateData) -> None:
    manifest = models.runs.folder / "bad" / "manifest.json"
    tree = json.loads(manifest.read_text())
    tree["training"]["refit_of"] = "good"
    manifest.write_text(json.dumps(tree))

    verdict = compare(models, "good", data)

    assert list_failed(verdict) == ["comparison"]
    assert "both trained by the recipe of run good" in verdict.rules[0].result


def test_days_are_forecast_in_blocks_with_the_same_result(trained: Trained, model: Model) -> None:
    inputs = model.prepare(trained.dataset, 20)
    whole = replace(inputs, reader=BlockReader(inputs.reader.panel, inputs.reader.graphs, 12, 20))
    one_block = forecast_blocks(model.members, whole.reader, [whole.day_indices])

    assert [int((block >= 0).sum()) for block in inputs.blocks] == [8, 8, 4]
    blocks = forecast_blocks(model.members, inputs.reader, inputs.blocks)
    for whole_output, output in zip(one_block, blocks, strict=True):
        torch.testing.assert_close(output.quantiles, whole_output.quantiles, equal_nan=True)
