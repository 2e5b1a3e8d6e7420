"""A database's URL, and how it is shown: without what is secret."""

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

SECRETS = {"password", "sslpassword"}  # that a URL may carry behind its question mark


def is_url(text: str) -> bool:
    """Say whether a text can be a database's URL."""
    try:
        make_url(text)
    except (SQLAlchemyError, ValueError):
        return False
    return True


def hide(url: str) -> str:
    """Write a database's URL without its password."""
    address = make_url(url)
    masked = dict.fromkeys(SECRETS & address.query.keys(), "***")
    shown = address.update_query_dict(masked).render_as_string(hide_password=True)
    scheme, _, place = shown.rpartition("@") if shown.count("@") > 1 else ("", "", "")
    return f"{scheme.partition('://')[0]}://***@{place}" if place else shown  # a password with an @ of its own
