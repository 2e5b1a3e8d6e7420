"""Test that every environment is valid, and that a wrong parameter is named with its value and its file."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.config import AbstractConfigLoader

from atft_kedro import plugins
from atft_kedro.cli import run
from atft_kedro.configuration import ProjectConfigLoader
from atft_kedro.parameter_blocks import BLOCKS
from atft_kedro.params import InputError
from atft_kedro.settings import CONFIG_LOADER_ARGS
from atft_kedro.training.params import SelectionParams, TrainingParams
from factories.params import make_params

CONF = Path(__file__).parent.parent / "conf"
ENVIRONMENTS = ["local", "safe", "smoke", "production", "classic", "files", "daily", "jquants", "dataset", "benchmark"]


def loader(conf: Path = CONF, env: str = "local", params: dict[str, Any] | None = None) -> ProjectConfigLoader:
    config_loader = ProjectConfigLoader(str(conf), env=env, runtime_params=params or {}, **CONFIG_LOADER_ARGS)
    assert isinstance(config_loader, AbstractConfigLoader)
    return config_loader


def resolved(env: str) -> dict[str, dict[str, Any]]:
    raw = loader(env=env)["parameters"]
    return {name: model.model_validate(raw[name]).model_dump() for name, model in BLOCKS.items()}


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_environment_is_valid(env: str) -> None:
    loader(env=env).require_valid_parameters()


def test_environments_set_the_parameters_of_their_purpose() -> None:
    safe, smoke, production, classic = (resolved(env) for env in ("safe", "smoke", "production", "classic"))

    debugging = {"precision": "fp32", "compile": False, "deterministic": True, "detect_anomaly": True}
    assert debugging.items() <= safe["training"].items()
    assert (smoke["training"]["steps_per_phase"], smoke["universe"]["max_stocks_per_day"]) == (3, 512)
    assert (production["training"]["epochs"], production["training"]["precision"]) == (120, "bf16")
    assert (production["network"]["hidden_size"], production["features"]["set"]) == (256, "wide")
    assert production["training"]["compile"]
    phases = {
        env["training"]["epochs"]: TrainingParams.model_validate(env["training"]) for env in (classic, production)
    }
    assert [phase.epochs for phase in phases[None].curriculum] == [5, 10, 8, 6, 13]
    assert [phase.epochs for phase in phases[120].curriculum] == [14, 29, 23, 17, 37]
    assert {phase.patience for phase in phases[120].curriculum} == {10}


def test_targets_start_at_the_next_close_for_own_prices_and_at_the_same_close_for_the_demo() -> None:
    environments = {env: resolved(env) for env in ("local", "benchmark", "files", "files,safe", "daily", "jquants")}

    assert {env: params["features"]["entry_lag"] for env, params in environments.items()} == {
        "local": 0,
        "benchmark": 0,
        "files": 1,
        "files,safe": 1,
        "daily": 1,
        "jquants": 1,
    }
    for params in environments.values():
        entry_lag = params["features"]["entry_lag"]
        guard = params["guard"]
        assert entry_lag == guard["targets"]["entry_lag"] == guard["shifted_target"]["entry_lag"]
        assert entry_lag == params["market"]["entry_lag"]


def test_a_benchmark_trains_on_its_own_days_or_on_all_history() -> None:
    spans = [loader(env="benchmark", params=params) for params in ({}, {"span": "all"})]
    for span in spans:
        span.require_valid_parameters()

    labelled, whole = (TrainingParams.model_validate(span["parameters"]["training"]).phases for span in spans)
    assert [span["parameters"]["split"]["min_date"] for span in spans] == ["benchmark", None]
    assert {phase.newest_days for phase in labelled} == {None}
    assert [phase.newest_days for phase in whole] == [None, None, 756]


@pytest.mark.parametrize("given", ["none", None, True, {"benchmark": 1}])
def test_an_unknown_choice_is_refused_with_the_known_ones(given: Any) -> None:
    with pytest.raises(InputError, match=r"--params span = .*: must be one of benchmark, all\."):
        loader(env="benchmark", params={"span": given}).require_valid_parameters()


def test_a_wrong_value_of_a_chosen_block_is_named_with_its_file(tmp_path: Path) -> None:
    shutil.copytree(CONF, tmp_path / "conf")
    file = tmp_path / "conf" / "benchmark" / "parameters.yml"
    file.write_text(file.read_text().replace("epochs: 6,", "epochs: -6,", 1))
    with pytest.raises(InputError, match=r"phases.0.epochs = -6: .* — conf/benchmark/parameters.yml"):
        loader(tmp_path / "conf", "benchmark").require_valid_parameters()


OWN = {
    "recency",
    "ranges",
    "choices",
    "parameter_tiers",
}  # the guard's is off for the simulated market; a search's space is data


@pytest.mark.parametrize("name", BLOCKS)
def test_base_holds_every_parameter_and_no_model_has_another_default(name: str) -> None:
    values, model = loader()["parameters"][name], BLOCKS[name]

    assert set(values) == set(model.model_fields)
    params = model.model_validate(values)
    for field, info in model.model_fields.items():
        if not info.is_required() and field not in OWN:
            assert getattr(params, field) == info.get_default(call_default_factory=True)


def test_made_parameters_have_the_values_of_base_except_for_the_changes() -> None:
    training = make_params(TrainingParams, seed=11, selection={"metric": "ic"})

    assert (training.seed, training.selection.metric) == (11, "ic")
    base = TrainingParams.model_validate(loader()["parameters"]["training"])
    unchanged = {"seed": base.seed, "selection": base.selection}
    assert training.model_copy(update=unchanged) == base
    assert make_params(SelectionParams, metric="ic") == training.selection


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"markt": {"stocks": 3}}, "markt = {'stocks': 3}: unknown; did you mean market? — --params"),
        ({"market": {"stoks": 3}}, "market.stoks = 3: unknown; did you mean stocks? — --params"),
        ({"market": {"strengths": {"reversl": 1}}}, "market.strengths.reversl = 1: unknown; did you mean reversal?"),
        ({"market": {"stocks": "many"}}, "market.stocks = 'many': Input should be a valid integer"),
        ({"market": {"stocks": -3}}, "market.stocks = -3: Input should be greater than or equal to 2"),
        ({"features": {"set": "large"}}, "features.set = 'large': Input should be 'core', 'alpha158' or 'wide'"),
        ({"features": {"horizons": [1, 0]}}, "features.horizons.1 = 0: Input should be greater than 0"),
        ({"features": {"memory_gb": float("nan")}}, "features.memory_gb = nan"),
        (
            {"guard": {"leak": {"severity": "fatal"}}},
            "guard.leak.severity = 'fatal': Input should be 'error', 'warn' or 'off'",
        ),
        (
            {"features": {"horizons": [1, 5, 1]}},
            "features.horizons = [1, 5, 1]: must contain each value once",
        ),
        ({"network": {"horizons": [5, 5]}}, "network.horizons = [5, 5]: must contain each value once"),
        (
            {"baselines": {"names": ["zero", "zero"]}},
            "baselines.names = ['zero', 'zero']: must contain each",
        ),
        ({"columns": {"target": "y"}}, "columns.target = 'y': must contain {h} once"),
        ({"columns": {"target": "{h}_{h}"}}, "columns.target = '{h}_{h}': must contain {h} once"),
        ({"goals": {"ic": {"5d": 0.1}}}, "goals.ic.5d: must be h and a number of days, as in h5"),
        ({"goals": {"net_sharpe": {"": 1}}}, "must be h and a number of days, as in h5"),
        ({"goals": {"ic": {"h7": 0.1}}}, "goals.ic.h7 = 0.1: forecasts are for 1, 5, 10, 20 days"),
        (
            {"goals": {"ic": {"h5": 0.1}}, "network": {"horizons": [1, 10]}},
            "goals.ic.h5 = 0.1: forecasts are for 1, 10 days",
        ),
        (
            {"hpo": {"parameter_tiers": {"network.heds": 2}}},
            "parameter_tiers names network.heds, which has neither a range nor choices; did you mean network.heads?",
        ),
        ({"evaluation": {"units": "returns"}}, "evaluation.units = 'returns': unknown"),
        ({"training": {"phase_losses": {"tune": "mse:1"}}}, "phase_losses names tune, but the phases are baseline, "),
        ({"training": {"loss": "mze:1"}}, "training.loss.mze = '1': unknown; did you mean mse? — --params"),
        ({"prices": 3}, "prices = 3: must be text"),
        ({"_market": {"stocks": 3}}, "_market = {'stocks': 3}: unknown"),
        ({"span": "all"}, "span = 'all': this environment does not read it; try --env benchmark — --params"),
        ({"prices": "my.csv"}, "prices = 'my.csv': this environment does not read it; try --env files"),
        ({"training": {"compile": True, "detect_anomaly": True}}, "detect_anomaly needs compile: false"),
    ],
)
def test_a_wrong_parameter_names_key_value_and_rule(params: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        loader(params=params).require_valid_parameters()

    assert message in str(refused.value)
    assert "--params" in str(refused.value)


def test_goals_of_the_base_are_for_those_who_forecast_their_horizons() -> None:
    loader(params={"network": {"horizons": [10]}}).require_valid_parameters()
    loader(env="dataset", params={"ml_dataset": "x.parquet", "goals": {"ic": {"h3": 0.1}}}).require_valid_parameters()
    loader(params={"goals": {"ic": {"h3": None}}}).require_valid_parameters()


def test_losses_are_given_on_the_command_line_for_all_phases_and_for_one() -> None:
    text = "training.loss=mse:0.6 rankic:0.2 cs_ic:0.1,training.phase_losses.finetune=ic:1,training.seeds=2"
    params = run.make_context("run", ["--params", text]).params["params"]
    given = loader(params=params)
    given.require_valid_parameters()

    training = TrainingParams.model_validate(given["parameters"]["training"])
    losses = {phase.name: phase.loss.positive_weights() for phase in training.curriculum}
    assert training.seeds == 2
    assert losses.pop("finetune") == {"ic": 1}
    assert len(losses) == 4
    for loss in losses.values():
        assert loss == {"mse": 0.6, "rank_ic": 0.2, "ic": 0.1}


def test_a_path_may_begin_in_the_home_folder() -> None:
    catalog = loader(env="files", params={"prices": "~/prices", "data_root": "~/data"})["catalog"]

    assert catalog["prices"]["path"] == str(Path.home() / "prices")
    assert catalog["runs"]["path"].startswith(str(Path.home() / "data"))


def test_a_wrong_parameter_names_the_file_that_sets_it(tmp_path: Path) -> None:
    shutil.copytree(CONF, tmp_path / "conf")
    for env, block in {
        "even": {"market": {"stocks": 1}, "features": {"sett": "core"}},
        "odd": {"market": {"days": 3}},
    }.items():
        (tmp_path / "conf" / env).mkdir()
        (tmp_path / "conf" / env / "parameters_x.yml").write_text(yaml.dump(block))

    with pytest.raises(InputError) as refused:
        loader(tmp_path / "conf", env="even,odd").require_valid_parameters()

    first, *lines = str(refused.value).splitlines()
    assert first == "3 parameters are wrong, nothing was run:"
    for start, file in (
        ("  market.stocks = 1", "even"),
        ("  market.days = 3", "odd"),
        ("  features.sett = 'core'", "even"),
    ):
        line = next(line for line in lines if line.startswith(start))
        assert line.endswith(f"— conf/{file}/parameters_x.yml")


def test_the_catalog_reads_a_parameter_block_as_the_command_line_changes_it() -> None:
    entry = loader(params={"market": {"stocks": 12}})["catalog"]["prices"]

    assert entry["market"]["stocks"] == 12
    assert entry["market"]["days"] == 1000


def test_the_readers_parameters_permit_their_plugins(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_permitted", set())
    (conf / "local" / "parameters.yml").write_text("features: {extra: ['own.features:ALL']}\n")

    losses = {"training": {"losses": {"extra": {"own": "own.losses:own"}}}}
    assert loader(conf, params=losses)["parameters"]["training"]["losses"] == losses["training"]["losses"]

    assert plugins.list_permitted() == ["own.features:ALL", "own.losses:own"]
