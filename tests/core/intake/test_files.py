"""Files that cannot be read to their end, or at all."""

import shutil

import pytest

from core.intake.files import NoSuchFolder
from tests.core.intake.conftest import FilesOfPractice


def test_latin_1_is_refused_at_its_first_bad_byte(files: FilesOfPractice) -> None:
    files.write("offices.csv", "office_id,name\nMAIN,Café\n".encode("latin-1"))

    assert [fault for fault in files.faults() if fault.startswith("offices")] == [
        "offices.csv, line 2: byte 24 of the file (0xE9, byte 9 of its line) is not UTF-8; save the file as UTF-8"
    ]


def test_utf_16_is_refused_at_its_first_byte(files: FilesOfPractice) -> None:
    files.write("offices.csv", "office_id,name\nMAIN,Café\n".encode("utf-16"))

    assert "byte 1 of the file (0xFF" in "".join(files.faults())


def test_an_empty_file(files: FilesOfPractice) -> None:
    files.write("line_items.csv", b"")

    assert "line_items.csv: the file is empty; its first line names the columns" in files.faults()


def test_a_missing_file(files: FilesOfPractice) -> None:
    (files.path / "postings.csv").unlink()

    assert files.faults() == ["postings.csv: the file is missing; put it into the folder"]


@pytest.mark.parametrize("cut", [3, 12, 20])
def test_a_truncated_file(files: FilesOfPractice, cut: int) -> None:
    whole = (files.path / "line_items.csv").read_bytes()
    files.write("line_items.csv", whole[:-cut])

    assert any(fault.startswith("line_items.csv, line 4") for fault in files.faults())


def test_a_file_without_line_ends_is_not_read_into_memory(files: FilesOfPractice) -> None:
    files.write("payers.csv", b"x" * 3_000_000)

    assert "payers.csv, line 1: the line is longer than a million bytes; is this a CSV file?" in files.faults()


def test_a_folder_that_is_not_there(files: FilesOfPractice) -> None:
    shutil.rmtree(files.path)

    with pytest.raises(NoSuchFolder, match="is not a folder"):
        files.load()
