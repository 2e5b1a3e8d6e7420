"""The guard report as a page that a person reads, complete in one file."""

from pathlib import Path
from typing import Any

import jinja2

BADGES = {"error": "must be corrected", "warn": "please check", "ok": "kept", "skipped": "not checked"}


def build_guard_page(report: dict[str, Any]) -> str:
    """Render the report: broken rules first, then the kept ones, then the statistics of every column."""
    template = (Path(__file__).parent / "guard_page.html").read_text()
    order = list(BADGES)
    checks = sorted(report["checks"], key=lambda check: order.index(check["severity"]))
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(template)
    return page.render(report=report, checks=checks, badges=BADGES)
