"""The document of the format says what the format is."""

import re
from pathlib import Path

from core.intake import csv_format
from core.intake.csv_template import template_files

DOCUMENT = Path(__file__).parents[3] / "docs" / "import-format.md"


def test_the_document_names_every_file_and_column() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_]+(?:\.csv)?)`", text))

    columns = {column.name for file in csv_format.FORMATS for column in file.columns}

    assert columns | {file.name for file in csv_format.FORMATS} <= named


def test_the_tables_name_no_column_that_is_not_read() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for file in (csv_format.CLAIMS, csv_format.LINE_ITEMS, csv_format.POSTINGS):
        section = text.partition(f"## {file.name}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\| `([a-z_]+)` \|", section, flags=re.MULTILINE) == [c.name for c in file.columns]


def test_optional_columns_are_the_ones_that_may_be_empty() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    section = text.partition("## claims.csv\n")[2].partition("\n## ")[0]

    said = re.findall(r"^\| `([a-z_]+)` \| optional", section, flags=re.MULTILINE)

    assert said == [column.name for column in csv_format.CLAIMS.columns if column.optional]


def test_every_file_of_the_template_has_an_example() -> None:
    assert all(len(rows) > 1 for rows in template_files().values())
