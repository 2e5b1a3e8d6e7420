"""What MLflow runs to serve a handed-on model; it reads this file as a script, beside a copy of the package."""

from pathlib import Path

import mlflow
import pandas as pd
import polars as pl
from mlflow.pyfunc import PythonModel, PythonModelContext

from atft_kedro.export.deviation import DEVIATION
from atft_kedro.export.model import Model, open_model
from atft_kedro.schema import DATE
from atft_kedro.training.hardware import choose_device

FOLDER = "folder"  # what the model's folder is called among MLflow's artifacts


class ServedModel(PythonModel):
    """Observations in, ranked forecasts of their newest day out, both as pandas tables with dates as text."""

    _model: Model

    def load_context(self, context: PythonModelContext) -> None:
        """Open the folder."""
        self._model = open_model(Path(context.artifacts[FOLDER]), choose_device("auto"))

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame) -> pd.DataFrame:
        """Forecast the newest day; a deviation that nobody knows is left out, for JSON has no word for it."""
        said = self._model.forecast(pl.from_pandas(model_input)).with_columns(pl.col(DATE).cast(pl.String))
        return (said.drop(DEVIATION) if said[DEVIATION].null_count() else said).to_pandas()


mlflow.models.set_model(ServedModel())
