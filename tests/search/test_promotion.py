"""The file that a promoted trial is written to."""

from pathlib import Path

import pytest
import yaml

from atft_kedro.network.params import NetworkParams
from atft_kedro.params import InputError
from atft_kedro.search.confirmation import Confirmation
from atft_kedro.search.promoted_file import DIGEST_LINE, PROMOTED_FILE, is_unedited
from atft_kedro.search.promotion import format_promotion, require_environment_name, save_promotion, select_trial
from atft_kedro.search.space import apply_values
from atft_kedro.search.study import StudySpec
from atft_kedro.search.study_status import StudyStatus
from atft_kedro.training.params import TrainingParams
from factories.params import make_params
from factories.searches import NETWORK, TRAINING


def test_a_promoted_file_makes_the_configuration_of_its_trial_and_nothing_else(
    status: StudyStatus, spec: StudySpec, confirmation: Confirmation, tmp_path: Path
) -> None:
    base = make_params(NetworkParams, hidden_size=32), make_params(TrainingParams, accumulate=2)
    winner = select_trial(status, None)
    text = format_promotion(status, spec, winner, [base], confirmation)
    path = save_promotion(tmp_path / "best", text, force=False)

    written = yaml.safe_load(path.read_text())
    promoted_network = NetworkParams.model_validate(base[0].model_dump() | written["network"])
    promoted_training = TrainingParams.model_validate(base[1].model_dump() | written["training"])
    network, training = apply_values(winner.params, spec.network, spec.training)
    assert promoted_network == network
    assert promoted_training.model_copy(update={"epochs": training.epochs, "keep_epochs": 0}) == training
    assert "epochs" not in written["training"]
    assert f"Trial {winner.number} of the study s" in text
    assert spec.panel in text
    assert "Retrained, " in text


def test_a_promoted_file_contains_the_phase_losses_of_the_study(status: StudyStatus, spec: StudySpec) -> None:
    phase = spec.training.phases[-1].name
    training = TrainingParams.model_validate(spec.training.model_dump() | {"phase_losses": {phase: "ic:1.0"}})
    study = spec.model_copy(update={"training": training})

    text = format_promotion(status, study, select_trial(status, None), [(NETWORK, TRAINING)], None)

    assert phase in yaml.safe_load(text)["training"]["phase_losses"]


def test_nothing_is_overwritten_without_force_and_no_other_file_is_changed(
    status: StudyStatus, spec: StudySpec, tmp_path: Path
) -> None:
    (tmp_path / "parameters.yml").write_text("predict: {max_age_days: 3}  # mine\n")
    text = format_promotion(status, spec, select_trial(status, None), [(NETWORK, TRAINING)], None)
    path = save_promotion(tmp_path, text, force=False)

    with pytest.raises(InputError, match=f"{PROMOTED_FILE} exists; --force overwrites it"):
        save_promotion(tmp_path, text, force=False)
    path.write_text(path.read_text().replace("learning_rate", "learning_rate "))
    assert not is_unedited(path)
    with pytest.raises(InputError, match="exists and was edited since; --force overwrites it"):
        save_promotion(tmp_path, text, force=False)
    path.write_text("\n".join(line for line in path.read_text().splitlines() if DIGEST_LINE not in line))
    assert is_unedited(path)
    save_promotion(tmp_path, text, force=True)
    assert path.read_text() == text
    assert (tmp_path / "parameters.yml").read_text() == "predict: {max_age_days: 3}  # mine\n"
    (tmp_path / "parameters_mine.yml").write_text("training: {epochs: 3}\n")
    with pytest.raises(InputError, match=r"parameters_mine.yml sets training, and Kedro reads a block from one file"):
        save_promotion(tmp_path, text, force=True)


@pytest.mark.parametrize("name", ["base", "../best", "/tmp/best", "", "a b"])
def test_base_and_paths_are_refused_as_environments(name: str) -> None:
    with pytest.raises(InputError, match="cannot be promoted to the environment .*: choose a name such as best"):
        require_environment_name(name)
    require_environment_name("best-2")


def test_only_a_complete_trial_is_promoted(status: StudyStatus) -> None:
    pruned = status.trials[1].model_copy(update={"state": "pruned"})
    changed = status.model_copy(update={"trials": (status.trials[0], pruned), "best_number": None})

    with pytest.raises(InputError, match="Trial 9 of the study s cannot be promoted: it does not exist"):
        select_trial(changed, 9)
    with pytest.raises(InputError, match="Trial 1 of the study s cannot be promoted: it is pruned"):
        select_trial(changed, 1)
    with pytest.raises(InputError, match="No trial of the study s is complete"):
        select_trial(changed, None)
    assert select_trial(changed, 0) == status.trials[0]
