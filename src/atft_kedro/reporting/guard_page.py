"""The guard report as a page that a person reads, complete in one file."""

from pathlib import Path
from typing import Any

import jinja2

MEANING = {
    "error": "must be mended",
    "warn": "look at it",
    "passed": "kept",
    "skipped": "not applicable",
    "off": "switched off",
}


def draw_guard_page(report: dict[str, Any]) -> str:
    """Draw the report: broken rules first, then the kept ones, then every column's figures."""
    template = (Path(__file__).parent / "guard_page.html").read_text()
    order = list(MEANING)
    findings = sorted(report["findings"], key=lambda finding: order.index(finding["outcome"]))
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    return page.render(report=report, findings=findings, meaning=MEANING)
