"""The simulated market as a source of prices."""

from functools import lru_cache
from typing import Any, Literal

import polars as pl
from kedro.io import AbstractDataset, DatasetError

from ..market.simulated_drivers import MarketParams
from ..market.simulation import SimulatedMarket, simulate_market
from ..schema import CODE, DATE


class SimulatedMarketDataset(AbstractDataset[None, pl.LazyFrame]):
    """A table of the market that the parameters describe: its prices, its oracle or its hidden neighbours.

    With ``market: null`` the market is not simulated, and nobody knows the latter two.

    Example usage for the YAML API:

        prices:
          type: atft_kedro.datasets.SimulatedMarketDataset
          market: {stocks: 20, days: 60, seed: 1}
    """

    def __init__(
        self,
        *,
        market: dict[str, Any] | None,
        table: Literal["prices", "oracle", "neighbours"] = "prices",
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._market = None if market is None else MarketParams.model_validate(market)
        self._table = table
        self.metadata = metadata

    def load(self) -> pl.LazyFrame:
        """Simulate the market, or take the one just simulated; of none, an empty table."""
        if self._market is None:
            return pl.LazyFrame(schema={DATE: pl.Date, CODE: pl.String})
        market = _last_market(self._market.model_dump_json())
        return {"prices": market.prices, "oracle": market.oracle, "neighbours": market.neighbours}[self._table].lazy()

    def save(self, data: None) -> None:
        """Refuse: the market follows from its parameters."""
        raise DatasetError("The simulated market is made from its parameters, not saved.")

    def _describe(self) -> dict[str, Any]:
        return {"table": self._table, **(self._market.model_dump(mode="json") if self._market else {})}

    def _exists(self) -> bool:
        return True


@lru_cache(maxsize=1)
def _last_market(market: str) -> SimulatedMarket:
    return simulate_market(MarketParams.model_validate_json(market))
