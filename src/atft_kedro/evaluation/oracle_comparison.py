"""A run's IC compared with the IC of the oracle of the simulated market."""

from typing import NamedTuple

from .daily_statistics import Mean


class OracleComparison(NamedTuple):
    """A run's IC over one horizon, and the oracle's IC on the same observations."""

    horizon: int
    ic: Mean
    oracle_ic: Mean
    agreement: float | None = None  # mean daily correlation of forecast and oracle: the expected share

    @property
    def share(self) -> float | None:
        """Return the share of the oracle's IC that the run reaches."""
        return self.ic.mean / self.oracle_ic.mean if self.ic.mean is not None and self.oracle_ic.mean else None
