"""Test which errors commands show as a plain message."""

import click
import pytest
from kedro.config import MissingConfigException

from atft_kedro.commands.command_helpers import show_input_errors_briefly
from atft_kedro.params import InputError


@pytest.mark.parametrize("error", [InputError("wrong"), MissingConfigException("wrong")])
def test_wrong_input_is_one_message_even_as_a_cause(error: Exception) -> None:
    with pytest.raises(click.ClickException, match="wrong"), show_input_errors_briefly():
        try:
            raise error
        except Exception as cause:
            raise RuntimeError("a node failed") from cause


def test_an_error_with_its_own_exit_code_keeps_it() -> None:
    class Stopped(InputError):
        exit_code = 75

    with pytest.raises(click.ClickException) as caught, show_input_errors_briefly():
        raise Stopped("stopped")
    with pytest.raises(click.ClickException) as other, show_input_errors_briefly():
        raise InputError("wrong")

    assert (caught.value.exit_code, other.value.exit_code) == (75, 1)


def test_other_errors_keep_their_traceback() -> None:
    with pytest.raises(ZeroDivisionError), show_input_errors_briefly():
        _ = 1 / 0


def test_an_unknown_pipeline_is_one_message() -> None:
    with pytest.raises(click.ClickException, match="Failed to find the pipeline"), show_input_errors_briefly():
        raise ValueError("Failed to find the pipeline named 'x'")
