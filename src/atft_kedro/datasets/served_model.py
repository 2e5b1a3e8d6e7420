"""The script that MLflow runs to serve an exported model, with a copy of the package."""

from pathlib import Path

import mlflow
import pandas as pd
import polars as pl
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import PythonModel, PythonModelContext

from atft_kedro.export.model import Model, load_model
from atft_kedro.params import InputError
from atft_kedro.schema import DATE
from atft_kedro.training.hardware import choose_device

FOLDER = "folder"  # key of the model folder among MLflow's artifacts


class ServedModel(PythonModel):
    """A model from prices or observations to ranked forecasts.

    Both are pandas tables; dates are text.
    """

    _model: Model

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model folder."""
        self._model = load_model(Path(context.artifacts[FOLDER]), choose_device("auto"))

    def predict(self, context: PythonModelContext, model_input: pd.DataFrame) -> pd.DataFrame:
        """Forecast the newest day; input that cannot be forecast is answered with status 400.

        A model that takes prices also returns a row for each stock that it cannot forecast, see `PriceForecasts`.
        Unknown values are None, because JSON has no NaN.
        """
        try:
            texts = [name for name in model_input if model_input[name].dtype == object]
            as_text = model_input.astype(dict.fromkeys(texts, "string"))  # codes can be numbers and text
            table = self._forecast(pl.from_pandas(as_text))
        except InputError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error
        rows = table.with_columns(pl.col(DATE).cast(pl.String)).to_dicts()
        return pd.DataFrame(rows, columns=table.columns, dtype=object)

    def _forecast(self, table: pl.DataFrame) -> pl.DataFrame:
        has_prices = self._model.card.inputs.prices is not None
        return self._model.forecast_prices(table).to_table() if has_prices else self._model.forecast(table)


mlflow.models.set_model(ServedModel())
