"""Check database URLs, and hide their passwords."""

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

SECRETS = {"password", "sslpassword"}  # query parameters that may hold a password


def is_url(text: str) -> bool:
    """Return whether a text has the form of a database URL."""
    try:
        make_url(text)
    except (SQLAlchemyError, ValueError):
        return False
    return True


def hide_password(url: str) -> str:
    """Replace the passwords in a database URL by ``***``."""
    address = make_url(url)
    masked = dict.fromkeys(SECRETS & address.query.keys(), "***")
    shown = address.update_query_dict(masked).render_as_string(hide_password=True)
    scheme, _, host = shown.rpartition("@") if shown.count("@") > 1 else ("", "", "")
    return f"{scheme.partition('://')[0]}://***@{host}" if host else shown  # the password itself contains an @
