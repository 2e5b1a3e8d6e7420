"""The file of a promoted trial, with a digest that shows whether it was edited."""

from collections.abc import Sequence
from pathlib import Path

from ..source_code import digest

PROMOTED_FILE = "parameters_promoted.yml"
DIGEST_LINE = "# digest: "


def add_digest(comments: Sequence[str], body: str) -> str:
    """Put comment lines and the digest of ``body`` before it."""
    return "".join(f"# {line}\n" for line in comments) + f"{DIGEST_LINE}{digest(body)}\n{body}"


def is_unedited(path: Path) -> bool:
    """Return whether a promoted file matches its digest, or has none."""
    _, has_digest, rest = path.read_text().partition(DIGEST_LINE)
    written, _, body = rest.partition("\n")
    return not has_digest or written.strip() == digest(body)
