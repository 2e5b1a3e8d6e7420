"""Whether a winner is to be believed, and what of it is written down."""

import ast
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.stats import norm

from atft_kedro import source_code
from atft_kedro.evaluation.daily_statistics import average, expect_best
from atft_kedro.evaluation.score import EvaluationParams
from atft_kedro.network.params import NetworkParams
from atft_kedro.params import InputError
from atft_kedro.search.confirmation import Confirmation, Retrial, chance_of, confirm, find_heaviest, spread_of
from atft_kedro.search.file_digest import CLAIM, PROMOTED, is_as_promoted
from atft_kedro.search.promotion import choose_trial, place_promotion, require_name, write_promotion
from atft_kedro.search.report import draw_study, tabulate_search
from atft_kedro.search.run_search import look_at
from atft_kedro.search.space import put
from atft_kedro.search.study import Spec, read_spec
from atft_kedro.search.study_status import Standing
from atft_kedro.training.data import TrainingData
from atft_kedro.training.params import TrainingParams
from atft_kedro.training.selection import SelectionParams
from factories.searches import NETWORK, TRAINING, Told, ask, runs_in, seek

EVALUATION = EvaluationParams()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("confirmed")


@pytest.fixture(scope="module")
def standing(training_data: TrainingData, home: Path) -> Standing:
    return seek(training_data, home, n_trials=3)


@pytest.fixture(scope="module")
def spec(standing: Standing, home: Path) -> Spec:
    return read_spec(look_at("s", f"sqlite:///{home / 'studies.db'}"))


@pytest.fixture(scope="module")
def confirmation(standing: Standing, training_data: TrainingData, home: Path) -> Confirmation:
    retrial = Retrial(training_data, runs_in(home), Told())
    return confirm(standing, retrial, (NETWORK, TRAINING), ask(confirm_seeds=2), EVALUATION)


def test_the_winner_is_trained_to_its_full_length_with_seeds_that_no_trial_had(
    confirmation: Confirmation, standing: Standing, home: Path
) -> None:
    seeds = {folder.name for folder in home.glob("_confirmed/*/2*/seed_*")}

    assert (len(confirmation.before), len(confirmation.after)) == (2, 2)
    assert seeds == {f"seed_{TRAINING.seed + 1}", f"seed_{TRAINING.seed + 2}"}
    assert {path.name.partition("-")[0] for path in home.glob("_confirmed/*")} == {"as_it_is", "winner"}
    assert sorted(confirmation.leads) == [1, 5, 10, 20]
    gain = np.mean(confirmation.after) - np.mean(confirmation.before)
    assert confirmation.gain == pytest.approx(gain)
    assert len(_epoch_lines(home)) == 2 * 2 * sum(phase.epochs for phase in TRAINING.phases)


def _epoch_lines(home: Path) -> list[str]:
    logs = home.glob("_confirmed/*/2*/metrics.jsonl")
    return [line for log in logs for line in log.read_text().splitlines() if "train_loss" in line]


def test_a_confirmation_that_was_made_is_not_made_again(
    confirmation: Confirmation, standing: Standing, training_data: TrainingData, home: Path
) -> None:
    before = sorted(home.glob("_confirmed/*/2*"))
    retrial = Retrial(training_data, runs_in(home), Told())

    assert confirm(standing, retrial, (NETWORK, TRAINING), ask(confirm_seeds=2), EVALUATION) == confirmation
    assert sorted(home.glob("_confirmed/*/2*")) == before


def test_a_confirmation_after_a_change_of_code_has_another_folder(
    training_data: TrainingData, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrial, parse = Retrial(training_data, runs_in(home), Told()), source_code._parse

    def parse_changed(module: str) -> tuple[ast.Module, str, str]:
        tree, package, template = parse(module)
        if module == "atft_kedro.losses":
            tree.body += ast.parse("CHANGED = 1").body
        return tree, package, template

    names = []
    for each in (parse, parse_changed, parse):
        monkeypatch.setattr(source_code, "_parse", each)
        source_code._read_module.cache_clear()
        names.append(retrial.name_folder("as it is", NETWORK, TRAINING))

    assert names[0] == names[2] != names[1]
    assert names[0].startswith("as_it_is-")


def test_the_horizon_that_weighs_most_follows_the_selection() -> None:
    horizons = (1, 5, 10)

    assert find_heaviest(SelectionParams(), horizons) == 1
    assert find_heaviest(SelectionParams(horizon_weights={5: 1.0, 10: 2.0}), horizons) == 10
    assert find_heaviest(SelectionParams(metric="rank_ic_5d"), horizons) == 5


def test_luck_is_taken_off_a_lead() -> None:
    days = 0.02 + 0.1 * np.random.default_rng(3).standard_normal(250)
    lead = average(days, 1)
    assert lead.mean is not None
    assert lead.se is not None
    draws = np.random.default_rng(5).standard_normal((20_000, 12)).max(1).mean()

    assert expect_best(1) == 0
    assert expect_best(12) == pytest.approx(draws, abs=0.05)
    assert chance_of(lead, 1, 0.0) == pytest.approx(norm.cdf(lead.mean / lead.se))
    assert chance_of(lead, 12, 0.0) == pytest.approx(norm.cdf(lead.mean / lead.se - expect_best(12)))
    assert chance_of(average(np.array([0.1]), 1), 12, 0.0) is None
    assert chance_of(lead, 12, None) is None
    assert spread_of((0.1, 0.3), (0.2, 0.2)) == pytest.approx(np.sqrt(0.02 / 2))
    assert chance_of(lead, 1, lead.mean) == pytest.approx(norm.cdf(lead.mean / np.hypot(lead.se, lead.mean)))


def test_the_verdict_follows_the_numbers(confirmation: Confirmation, standing: Standing) -> None:
    worse = confirmation.model_copy(update={"after": (0.01, 0.02), "before": (0.03, 0.02)})
    better = worse.model_copy(update={"after": worse.before, "before": worse.after})
    sure = better.model_copy(update={"leads": {1: better.leads[1].model_copy(update={"chance": 0.97})}, "horizon": 1})
    unknown = confirmation.model_copy(update={"after": (), "before": (), "leads": {}})
    unsure = better.model_copy(update={"leads": {1: better.leads[1].model_copy(update={"chance": None})}, "horizon": 1})
    all_of_them = (worse, unsure, unknown, sure)
    said = [tabulate_search(standing, each, (NETWORK, TRAINING))[0].rows[-1][1] for each in all_of_them]

    assert said[0] == (
        "the search does not beat the configuration as it is: -0.0100 in rank IC by 2 seeds that it was not chosen by"
    )
    assert said[1].startswith("the winner may be better than the configuration as it is, and may be not: +0.0100")
    assert said[3].startswith("the winner beats the configuration as it is: +0.0100")
    assert said[3].endswith("no luck of the best of 3 with probability 0.97")
    assert said[2] == "not retrained (hpo.confirm_seeds is 0): the score of the best of 3 is too high"


def test_a_study_is_drawn_however_few_its_trials(standing: Standing, home: Path) -> None:
    drawn = draw_study(look_at("s", f"sqlite:///{home / 'studies.db'}"))

    assert [figure.layout.title.text for figure in drawn] == [
        *("History", "Importance", "Parallel coordinates", "Slice", "Curves")
    ]
    finished = [trial.score for trial in standing.trials if trial.state == "complete"]
    assert list(drawn[0].data[0].y) == finished


def test_a_promoted_file_makes_the_configuration_of_its_trial_and_nothing_else(
    standing: Standing, spec: Spec, confirmation: Confirmation, tmp_path: Path
) -> None:
    base = NetworkParams(hidden_size=32), TrainingParams(accumulate=2)
    winner = choose_trial(standing, None)
    text = write_promotion(standing, spec, winner, [base], confirmation)
    path = place_promotion(tmp_path / "best", text, force=False)

    written = yaml.safe_load(path.read_text())
    made = (
        NetworkParams.model_validate(base[0].model_dump() | written["network"]),
        TrainingParams.model_validate(base[1].model_dump() | written["training"]),
    )
    network, training = put(winner.chosen, spec.network, spec.training)
    assert made[0] == network
    assert made[1].model_copy(update={"epochs": training.epochs, "keep_epochs": 0}) == training
    assert "epochs" not in written["training"]
    assert f"Trial {winner.number} of the study s" in text
    assert spec.panel in text
    assert "Trained again, the " in text


def test_a_promoted_file_holds_the_losses_of_the_phases_that_the_study_trained_with(
    standing: Standing, spec: Spec
) -> None:
    phase = spec.training.phases[-1].name
    training = TrainingParams.model_validate(spec.training.model_dump() | {"phase_losses": {phase: "ic:1.0"}})
    study = spec.model_copy(update={"training": training})

    text = write_promotion(standing, study, choose_trial(standing, None), [(NETWORK, TRAINING)], None)

    assert phase in yaml.safe_load(text)["training"]["phase_losses"]


def test_nothing_is_overwritten_unasked_and_no_other_file_is_touched(
    standing: Standing, spec: Spec, tmp_path: Path
) -> None:
    (tmp_path / "parameters.yml").write_text("predict: {max_age_days: 3}  # mine\n")
    text = write_promotion(standing, spec, choose_trial(standing, None), [(NETWORK, TRAINING)], None)
    path = place_promotion(tmp_path, text, force=False)

    with pytest.raises(InputError, match=f"{PROMOTED} exists; --force overwrites it"):
        place_promotion(tmp_path, text, force=False)
    path.write_text(path.read_text().replace("learning_rate", "learning_rate "))
    assert not is_as_promoted(path)
    with pytest.raises(InputError, match="was edited by hand since; --force overwrites it"):
        place_promotion(tmp_path, text, force=False)
    path.write_text("\n".join(line for line in path.read_text().splitlines() if CLAIM not in line))
    assert is_as_promoted(path)
    place_promotion(tmp_path, text, force=True)
    assert path.read_text() == text
    assert (tmp_path / "parameters.yml").read_text() == "predict: {max_age_days: 3}  # mine\n"
    (tmp_path / "parameters_mine.yml").write_text("training: {epochs: 3}\n")
    with pytest.raises(InputError, match=r"parameters_mine.yml sets training, and Kedro reads a block from one file"):
        place_promotion(tmp_path, text, force=True)


@pytest.mark.parametrize("name", ["base", "../best", "/tmp/best", "", "a b"])
def test_only_an_environment_of_ones_own_is_promoted_to(name: str) -> None:
    with pytest.raises(InputError, match="name an environment of your own"):
        require_name(name)
    require_name("best-2")


def test_only_a_trial_that_ended_well_is_promoted(standing: Standing) -> None:
    pruned = standing.trials[1].model_copy(update={"state": "pruned"})
    told = standing.model_copy(update={"trials": (standing.trials[0], pruned), "best": None})

    with pytest.raises(InputError, match="Trial 9 of the study s cannot be promoted: there is none"):
        choose_trial(told, 9)
    with pytest.raises(InputError, match="Trial 1 of the study s cannot be promoted: it is pruned"):
        choose_trial(told, 1)
    with pytest.raises(InputError, match="No trial of the study s was trained to its end"):
        choose_trial(told, None)
    assert choose_trial(told, 0) == standing.trials[0]
