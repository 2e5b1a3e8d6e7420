"""The base of every parameter model, and the error that a user's input raises."""

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """A frozen block of ``conf/``: an unknown key is an error, not a no-op."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class InputError(ValueError):
    """People's data or configuration is at fault; the message is the whole answer."""
