"""JSON files that are whole or not there."""

import json
from pathlib import Path
from typing import Any

from kedro_datasets.json import JSONDataset

from ..files import atomic_write


class WholeJSONDataset(JSONDataset):
    """Kedro's JSONDataset for a local file, written beside and renamed.

    Example usage for the YAML API:

        price_report:
          type: atft_kedro.datasets.WholeJSONDataset
          filepath: data/08_reporting/price_report.json
    """

    def save(self, data: Any) -> None:
        """Write the whole document or nothing; NaN and infinities are refused, as JSON has none."""
        text = json.dumps(data, indent=2, allow_nan=False)
        with atomic_write(Path(str(self._filepath))) as partial:
            partial.write_text(text)
