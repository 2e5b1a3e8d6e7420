"""Tables and figures as a page that a person reads, complete in one file."""

import re
from collections.abc import Sequence
from pathlib import Path

import jinja2
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from .table import Table

CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}


def build_html_report(title: str, grids: Sequence[Table], figures: Sequence[go.Figure]) -> str:
    """Draw the page: tables first, then figures, each with its caption."""
    template = (Path(__file__).parent / "report_page.html").read_text()
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    drawn = [
        {
            "title": title_of(figure),
            "caption": (figure.layout.meta or {}).get("caption", ""),
            "html": _untitled(figure).to_html(full_html=False, include_plotlyjs=False, config=CONFIG),
        }
        for figure in figures
    ]
    return page.render(title=title, grids=grids, figures=drawn, plotly=get_plotlyjs())


def title_of(figure: go.Figure) -> str:
    """Return a figure's title up to a colon or a line break."""
    return re.split(":|<br>", figure.layout.title.text)[0]


def _untitled(figure: go.Figure) -> go.Figure:
    """Leave the title to the page."""
    return go.Figure(figure).update_layout(title=None, margin_t=50)
