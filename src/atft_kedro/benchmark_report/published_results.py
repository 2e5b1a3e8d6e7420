"""What published tables print, for the one market and the days that they print it of."""

from dataclasses import dataclass
from datetime import date

FIRST, LAST = date(2017, 1, 3), date(2017, 12, 8)  # of the returns that they test on
STOCKS = 1026  # of NASDAQ


@dataclass(frozen=True)
class Printed:
    """A row of the table of StockMixer (Fan and Shen, AAAI 2024); ``None`` where we know no number."""

    name: str
    ic: float
    ric: float
    precision: float | None = None
    sharpe: float | None = None


TABLE = (
    Printed("LSTM", 0.032, 0.354),
    Printed("GAT", 0.035, 0.377),
    Printed("STHAN-SR", 0.039, 0.451),
    Printed("StockMixer", 0.043, 0.501, 0.545, 1.465),
)
CAUTION = (
    "Rows in italics are as printed, of the same stocks and days, and are not comparable: their inputs are normalised "
    "with the future (prices divided by each stock's maximum over the whole period, which alone, without any network, "
    "gives an IC of 0.027). They are hard to reproduce, too: in one run that we know of, StockMixer's own code gave an "
    'IC of 0.037 and a "RIC" of 0.46 at its best validation loss, 0.031 and 0.39 at its end; others report ICs of '
    "0.016 to 0.022."
)
