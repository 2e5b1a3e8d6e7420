"""How large the network is."""

from typing import Annotated

from pydantic import Field

from ..params import Params


class NetworkParams(Params):
    """The network's sizes."""

    hidden_size: Annotated[int, Field(gt=0, multiple_of=8)] = 64
