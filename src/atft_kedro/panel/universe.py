"""Which stocks of a day are looked at."""

from typing import Annotated

from pydantic import Field

from ..params import Params


class UniverseParams(Params):
    """Limits of a day's cross-section; ``null`` takes every stock."""

    max_stocks_per_day: Annotated[int, Field(gt=1)] | None = None
