"""Self-contained HTML pages: a report of tables and figures, and the guard report."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from .table import Table

PLOTLY_CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
SEVERITY_LABELS = {"error": "must be corrected", "warn": "please check", "ok": "passed", "skipped": "not checked"}
SEVERITY_ORDER = ("error", "warn", "ok", "skipped")
FIGURE_TOP_MARGIN = 50  # pixels


def build_html_report(title: str, tables: Sequence[Table], figures: Sequence[go.Figure]) -> str:
    """Build a page of tables, then figures with their captions."""
    sections = [
        {
            "title": figure_title(figure),
            "caption": (figure.layout.meta or {}).get("caption", ""),
            "html": go.Figure(figure)  # the template prints the title
            .update_layout(title=None, margin_t=FIGURE_TOP_MARGIN)
            .to_html(full_html=False, include_plotlyjs=False, config=PLOTLY_CONFIG),
        }
        for figure in figures
    ]
    return _render("report_page.html", title=title, tables=tables, figures=sections, plotly=get_plotlyjs())


def has_content(figure: go.Figure) -> bool:
    """Return whether a figure has data or a message instead."""
    return bool(figure.data or figure.layout.annotations)


def figure_title(figure: go.Figure) -> str:
    """Return the part of a figure's title before the first colon or ``<br>``."""
    return re.split(":|<br>", figure.layout.title.text)[0]


def build_guard_page(report: dict[str, Any]) -> str:
    """Build the guard report: broken, passed and skipped rules, statistics of every column."""
    checks = sorted(report["checks"], key=lambda check: SEVERITY_ORDER.index(check["severity"]))
    return _render("guard_page.html", report=report, checks=checks, labels=SEVERITY_LABELS)


def _render(template: str, **values: Any) -> str:
    text = (Path(__file__).parent / template).read_text()
    return jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text).render(**values)
