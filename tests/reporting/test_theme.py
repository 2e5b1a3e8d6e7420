"""Test the layout that all figures share."""

import plotly.graph_objects as go

from atft_kedro.evaluation.baselines import BASELINES
from atft_kedro.reporting.theme import FORECASTER_COLOURS, apply_theme, error_bars, horizon_colour
from factories.training_logs import make_mean


def test_a_figure_gets_its_title_and_caption() -> None:
    figure = apply_theme(go.Figure(), "A title", "How to read it.", height=321)

    assert figure.layout.title.text == "A title"
    assert figure.layout.meta == {"caption": "How to read it."}
    assert figure.layout.height == 321


def test_horizons_and_forecasters_have_different_colours() -> None:
    assert len({horizon_colour(horizon) for horizon in (1, 5, 10, 20)}) == 4
    assert horizon_colour(2) == horizon_colour(2)
    assert {"network", "oracle", *BASELINES} == FORECASTER_COLOURS.keys()
    assert len(set(FORECASTER_COLOURS.values())) == len(FORECASTER_COLOURS)


def test_error_bars_are_two_standard_errors_and_zero_if_unknown() -> None:
    unknown = make_mean(0.1).model_copy(update={"se": None})

    assert error_bars([make_mean(0.1, 0.02), unknown])["array"] == [0.04, 0]
