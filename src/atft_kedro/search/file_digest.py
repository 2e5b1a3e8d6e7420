"""What a promoted file says of itself: edited, it is no longer what it was promoted as."""

from collections.abc import Sequence
from pathlib import Path

from ..source_code import digest

PROMOTED = "parameters_promoted.yml"
CLAIM = "# digest: "


def claim(told: Sequence[str], body: str) -> str:
    """Put what is told of a file, and its digest, before it."""
    return "".join(f"# {line}\n" for line in told) + f"{CLAIM}{digest(body)}\n{body}"


def is_as_promoted(path: Path) -> bool:
    """Say whether a promoted file is as it was written, or no longer claims to be."""
    _, claims, after = path.read_text().partition(CLAIM)
    claimed, _, body = after.partition("\n")
    return not claims or claimed.strip() == digest(body)
