"""The storage and the specification of a study."""

from pathlib import Path

import optuna
import pytest

from atft_kedro.params import InputError
from atft_kedro.search.plan import PRESETS
from atft_kedro.search.study import SIZE, SPEC, find_size, load_study, make_spec, open_storage
from atft_kedro.search.study_status import StudyStatus
from atft_kedro.training.data import TrainingData
from factories.searches import NETWORK, TRAINING, make_search_params, url_in


def test_unknown_and_foreign_studies_are_refused(status: StudyStatus, search_folder: Path) -> None:
    url = url_in(search_folder)
    optuna.create_study(storage=url, study_name="foreign")

    with pytest.raises(InputError, match="The study 'unknown' does not exist; existing studies: foreign, s"):
        load_study(url, "unknown")
    with pytest.raises(InputError, match="foreign was not created by this project"):
        load_study(url, "foreign")


def test_a_study_of_another_version_is_refused(tmp_path: Path) -> None:
    study = optuna.create_study(storage=open_storage(url_in(tmp_path)), study_name="old")
    study.set_user_attr(SPEC, '{"material": "abc"}')

    with pytest.raises(InputError, match="old was created by another version of this project"):
        load_study(url_in(tmp_path), "old")
    study.set_user_attr(SIZE, '{"trials": 3}')
    with pytest.raises(InputError, match="old was created by another version of this project"):
        find_size(url_in(tmp_path), "old")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql+psycopg://me:secret@127.0.0.1:1/db", r"me:\*\*\*@127.0.0.1:1/db cannot be reached: connection"),
        ("sqlite:////proc/no/studies.db", "cannot be reached|No such file"),
        ("oracle://me@host/db", "driver is not installed"),
    ],
)
def test_an_unreachable_storage_is_named_without_its_password(url: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        open_storage(url)
    assert "secret" not in str(error.value)


def test_days_per_block_are_not_searched_where_samples_per_block_override_them(training_data: TrainingData) -> None:
    params = make_search_params(choices={"training.days_per_block": (4, 8)})
    configured = NETWORK, TRAINING.model_copy(update={"samples_per_block": 100})

    with pytest.raises(InputError, match=r"training\.days_per_block, which training\.samples_per_block overrides"):
        make_spec(params, PRESETS["quick"], configured, training_data)
