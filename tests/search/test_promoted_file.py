"""The digest of a promoted file."""

from pathlib import Path

from atft_kedro.search.promoted_file import DIGEST_LINE, add_digest, is_unedited


def test_a_file_matches_its_digest_until_it_is_edited_or_loses_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "file.yml"
    text = add_digest(("Trial 1.", "Of a study."), "training: {seed: 1}\n")

    path.write_text(text)
    assert text.startswith(f"# Trial 1.\n# Of a study.\n{DIGEST_LINE}")
    assert is_unedited(path)
    path.write_text(text.replace("seed: 1", "seed: 2"))
    assert not is_unedited(path)
    path.write_text("training: {seed: 2}\n")
    assert is_unedited(path)
