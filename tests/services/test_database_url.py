"""Test that passwords in database URLs are hidden."""

import pytest

from atft_kedro.services.database_url import hide_password, is_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("postgresql://me:secret@host/base", "postgresql://me:***@host/base"),
        ("postgresql://me@host/base?sslpassword=secret", "postgresql://me@host/base?sslpassword=%2A%2A%2A"),
        ("postgresql://me:se@cret@host/base", "postgresql://***@host/base"),
    ],
)
def test_the_password_is_hidden(url: str, shown: str) -> None:
    assert hide_password(url) == shown


def test_only_urls_are_urls() -> None:
    assert is_url("sqlite:///mlflow.db")
    assert not is_url("not a url")
