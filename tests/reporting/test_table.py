"""Test tables in Markdown."""

from atft_kedro.reporting.table import Table, build_markdown_page


def test_a_markdown_page_has_titles_notes_and_rows() -> None:
    tables = [Table("First", ("a", "b"), [["1", "2"]], "Read it."), Table("Second", ("c",), [])]

    assert build_markdown_page("Page", tables) == (
        "# Page\n\n## First\n\nRead it.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n## Second\n\n| c |\n| --- |\n"
    )
