"""Pieces: each is stored once, in any order, and nothing is checked before all have arrived."""

import pytest
from sqlalchemy import text

from core.db.engine import transaction
from core.enums.imports import ImportStatus
from core.intake.uploads import receive
from core.intake.uploads.lifecycle import WrongImportStatus
from core.intake.uploads.receive import BadFiles, BadPiece, ImportTooLarge, UploadedFile, UploadIncomplete
from core.models.imports import PIECE_BYTES_MAX
from tests.uploads import BYTES_MAX, Uploads

LONG = b"x" * (2 * PIECE_BYTES_MAX + 5)
PIECES = [LONG[:PIECE_BYTES_MAX], LONG[PIECE_BYTES_MAX : 2 * PIECE_BYTES_MAX], LONG[2 * PIECE_BYTES_MAX :]]


def test_pieces_arrive_in_any_order_and_more_than_once(uploads: Uploads) -> None:
    key = uploads.begin({"claims.csv": LONG})
    for number in (2, 0, 0):
        uploads.practice.act(receive.put_piece, key, file=0, number=number, content=PIECES[number])

    with pytest.raises(UploadIncomplete, match=r"claims.csv is incomplete: piece 1 has not arrived"):
        uploads.practice.act(receive.finish, key)
    uploads.practice.act(receive.put_piece, key, file=0, number=1, content=PIECES[1])

    for _ in range(2):
        assert uploads.practice.act(receive.finish, key).status is ImportStatus.STAGED
    with transaction(uploads.practice.sessions) as session:
        assert receive.received_bytes(session, key) == len(LONG)
    with pytest.raises(WrongImportStatus):
        uploads.practice.act(receive.put_piece, key, file=0, number=1, content=PIECES[1])


@pytest.mark.parametrize(
    ("file", "number", "size"), [(1, 0, 1), (-1, 0, 1), (0, 3, 1), (0, -1, 1), (0, 2, 6), (0, 0, 5)]
)
def test_a_piece_that_does_not_fit_the_file_is_refused(uploads: Uploads, file: int, number: int, size: int) -> None:
    key = uploads.begin({"claims.csv": LONG})
    with pytest.raises(BadPiece):
        uploads.practice.act(receive.put_piece, key, file=file, number=number, content=b"x" * size)


def test_files_larger_than_the_limit_are_refused_before_they_are_sent(uploads: Uploads) -> None:
    files = [UploadedFile("claims.csv", BYTES_MAX), UploadedFile("postings.csv", 2_000_000_000)]
    with pytest.raises(ImportTooLarge, match=r"The files total 2,050 MB. An import can be up to 50 MB."):
        receive.check_files(files, bytes_max=BYTES_MAX)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "Choose 1 to 400 files"),
        ([UploadedFile("claims.csv", 0)], "claims.csv is empty"),
        ([UploadedFile("a.csv", 1), UploadedFile("A.csv", 1)], "same name"),
        *(
            ([UploadedFile(name, 1)], "plain text")
            for name in ("", "../a", "a/b", "a\\b", ".a", " a", "a\n", "x" * 201)
        ),
    ],
)
def test_files_that_cannot_be_in_one_folder_are_refused(files: list[UploadedFile], words: str) -> None:
    with pytest.raises(BadFiles, match=words):
        receive.check_files(files, bytes_max=BYTES_MAX)


def test_a_piece_is_stored_as_it_is(uploads: Uploads) -> None:
    key = uploads.upload({"claims.csv": LONG})
    with uploads.practice.sessions() as session:
        stored = session.scalars(text("SELECT content FROM import_piece ORDER BY number")).all()
    assert [bytes(piece) for piece in stored] == PIECES
    assert key
