"""JSON files that are whole or not there."""

import json
from pathlib import Path
from typing import Any

from kedro_datasets.json import JSONDataset


class WholeJSONDataset(JSONDataset):
    """Kedro's JSONDataset for a local file, written beside and renamed.

    Example usage for the YAML API:

        price_report:
          type: atft_kedro.datasets.WholeJSONDataset
          filepath: data/08_reporting/price_report.json
    """

    def save(self, data: Any) -> None:
        """Write the whole document or nothing."""
        path = Path(str(self._filepath))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        text = json.dumps(data, indent=2)
        partial.write_text(text)
        partial.replace(path)
