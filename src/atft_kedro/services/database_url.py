"""Check database URLs and connect to them; messages hide their passwords."""

from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from ..params import InputError

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


def require_connection(url: str, seconds: int) -> None:
    """Connect to a database server once; raise an `InputError` if that fails."""
    masked_url = hide_password(url)
    try:
        create_engine(url, connect_args={"connect_timeout": seconds}).connect().close()
    except ModuleNotFoundError:
        install = "pip install 'atft-kedro[postgres]' installs psycopg"
        raise InputError(f"{masked_url} needs a driver that is not installed; {install}") from None
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        raise InputError(f"{masked_url} does not answer: {reason}") from None
