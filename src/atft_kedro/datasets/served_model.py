"""The script that MLflow runs to serve an exported model, with a copy of the package."""

from pathlib import Path

import mlflow
import pandas as pd
import polars as pl
from mlflow.pyfunc import PythonModel, PythonModelContext

from atft_kedro.export.model import DEVIATION, Model, load_model
from atft_kedro.schema import DATE
from atft_kedro.training.hardware import choose_device

FOLDER = "folder"  # key of the model folder among MLflow's artifacts


class ServedModel(PythonModel):
    """A model from observations to ranked forecasts, both pandas tables with dates as text."""

    _model: Model

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model folder."""
        self._model = load_model(Path(context.artifacts[FOLDER]), choose_device("auto"))

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame) -> pd.DataFrame:
        """Forecast the newest day; an unknown deviation is left out, because JSON has no NaN."""
        forecasts = self._model.forecast(pl.from_pandas(model_input)).with_columns(pl.col(DATE).cast(pl.String))
        return (forecasts.drop(DEVIATION) if forecasts[DEVIATION].null_count() else forecasts).to_pandas()


mlflow.models.set_model(ServedModel())
