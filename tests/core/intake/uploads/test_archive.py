"""A zip of the files is unpacked. An archive that is not what it claims to be is refused with its name and a fix."""

import io
import struct
import zipfile
from pathlib import Path

import pytest

from core.enums.imports import ImportStatus
from core.intake.parsing.faults import Faults, ImportRefused
from core.intake.uploads import archive
from tests.uploads import BYTES_MAX, Uploads, zipped


def cure_of(content: bytes, folder: Path, *, bytes_max: int = BYTES_MAX) -> str:
    """Unpack the archive, which must be refused, and return the cure."""
    (folder / "in").mkdir()
    path, faults = folder / "claims.zip", Faults()
    path.write_bytes(content)
    assert archive.unpack(path, folder / "in", bytes_max=bytes_max, faults=faults) == []
    with pytest.raises(ImportRefused) as refused:
        faults.refuse_if_any()
    (mistake,) = refused.value.faults
    assert mistake.first[0].file == "claims.zip"
    return mistake.first[0].cure


def test_a_zip_of_a_folder_is_imported_without_what_the_system_added(uploads: Uploads) -> None:
    files = {f"export/{name}": content for name, content in uploads.files.items()}
    files |= {"__MACOSX/export/._claims.csv": b"x", "export/.DS_Store": b"x"}

    job = uploads.imported({"export.zip": zipped(files)})

    assert job.status is ImportStatus.IMPORTED
    assert uploads.count("claim") == 2


def test_x12_files_of_one_name_in_two_folders_get_the_folders_names(tmp_path: Path) -> None:
    path = tmp_path / "week.zip"
    path.write_bytes(zipped({"week/mon/era.835": b"x", "week/tue/era.835": b"y", "week/tue/claims.837": b"z"}))

    names = archive.unpack(path, tmp_path, bytes_max=BYTES_MAX, faults=Faults())

    assert names == ["week - mon - era.835", "week - tue - era.835", "claims.837"]
    assert (tmp_path / names[1]).read_bytes() == b"y"


def test_a_file_that_is_uploaded_twice_is_refused(uploads: Uploads) -> None:
    job = uploads.checked({**uploads.files, "more.zip": zipped({"claims.csv": b"x"})})

    assert job.report is not None
    (group,) = job.report["faults"]
    assert (group["file"], group["cure"][:37]) == ("more.zip", "the upload contains claims.csv twice;")


def test_a_bomb_is_refused_by_what_it_declares(tmp_path: Path) -> None:
    assert "200 times its size" in cure_of(zipped({"claims.csv": b"0" * 40_000_000}), tmp_path)


def test_a_bomb_of_many_files_is_refused_by_their_sum(tmp_path: Path) -> None:
    bomb = zipped({f"{number}.csv": b"0" * 9_000_000 for number in range(10)})
    assert "unpacks to 90 MB or more" in cure_of(bomb, tmp_path)


def test_a_bomb_that_declares_too_little_is_stopped_while_it_is_unpacked(tmp_path: Path) -> None:
    content = zipped({"claims.csv": b"0" * 5_000_000})
    lie = content.replace(struct.pack("<L", 5_000_000), struct.pack("<L", 1_000))
    assert lie != content
    cure_of(lie, tmp_path)
    assert sum(path.stat().st_size for path in (tmp_path / "in").iterdir()) <= 1_000


def encrypted() -> bytes:
    content = bytearray(zipped({"claims.csv": b"x"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped({"../claims.csv": b"x"}), "leads outside its folder"),
        (zipped({"/etc/claims.csv": b"x"}), "leads outside its folder"),
        (zipped({"a/claims.csv": b"x", "b/Claims.csv": b"x"}), "the same name"),
        (zipped({"inner.zip": zipped({"claims.csv": b"x"})}), "a zip file inside the zip file"),
        (zipped({"claims.csv": b"x"}, zipfile.ZIP_BZIP2), "unusual method"),
        (encrypted(), "protected by a password"),
        (zipped({}), "has 0 files"),
        (zipped({f"{number}.csv": b"x" for number in range(401)}), "has 401 files"),
        (b"claim_id,patient_id\n", "not a zip file, or it is damaged"),
        (zipped({"claims.csv": b"0123456789" * 50})[:-30], "not a zip file, or it is damaged"),
        (zipped({"a\\b.csv": b"x"}), "not plain text"),
    ],
)
def test_an_archive_that_cannot_be_unpacked_safely_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    assert words in cure_of(content, tmp_path)


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        link = zipfile.ZipInfo("claims.csv")
        link.external_attr = 0o120777 << 16
        opened.writestr(link, "/etc/passwd")
    assert "leads outside its folder" in cure_of(content.getvalue(), tmp_path)
