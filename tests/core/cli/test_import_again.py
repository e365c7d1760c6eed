"""`settle import csv`, the second time: check, expected total, differences, corrections and lists in files."""

import csv
from pathlib import Path

from click.testing import Result

from tests.core.cli.conftest import Typed


def change(path: Path, old: str, new: str) -> None:
    """Replace text in a file. The text must be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def imported(settle: Typed, folder: Path) -> Path:
    """Import the template, then change a name, a status, an amount and add a payment, as an office does overnight."""
    settle("import", "csv", "--template", folder)
    settle("import", "csv", folder, "--practice", "Lakeside")
    change(folder / "patients.csv", "Petra", "Paula")
    change(folder / "claims.csv", "Balance Due", "Internal Review")
    change(folder / "postings.csv", "-88.00", "-87.00")
    with (folder / "postings.csv").open("a", encoding="utf-8") as file:
        file.write("6,184146026,1,patient,payment,-2.00,patient,,,2025-05-01\n")
    return folder


def changed_again(folder: Path) -> Path:
    """Change only a status."""
    change(folder / "claims.csv", "Internal Review", "Balance Due")
    return folder


def again(settle: Typed, folder: Path, *words: object) -> Result:
    return settle("import", "csv", folder, "--practice", "Lakeside", *words)


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_a_check_shows_what_an_import_would_do_and_imports_nothing(settle: Typed, tmp_path: Path) -> None:
    folder = imported(settle, tmp_path / "files")

    first, second = again(settle, folder, "--check"), again(settle, folder, "--check")

    assert first.exit_code == 0, first.stderr
    assert first.stdout == second.stdout
    assert "Checked, nothing imported. An import would add to Lakeside: 1 posting." in first.stdout
    assert "On 1 existing claim: 1 posting." in first.stdout
    shown = "patient P-1, 03/04/2025: charges $150.00, insurance $1.00, patient $10.00"
    assert f"claim 184146026, {shown}" in first.stdout


def test_a_check_of_a_new_practice_creates_none(settle: Typed, tmp_path: Path) -> None:
    settle("import", "csv", "--template", tmp_path)

    checked = again(settle, tmp_path, "--check")

    assert checked.exit_code == 0, checked.stderr
    assert "CREATED" not in checked.stdout
    assert "CREATED A NEW PRACTICE: Lakeside." in again(settle, tmp_path).stdout


def test_what_differs_is_listed_without_names_and_the_rest_is_imported(settle: Typed, tmp_path: Path) -> None:
    shown = again(settle, imported(settle, tmp_path / "files")).stdout

    assert "Lakeside: added 1 posting." in shown
    assert (
        "2 changes to existing records were not applied (patient name 1, claim billing status 1).\n"
        "To apply them, add --take-changes:\n"
        "  patient P-1, name: changed (hidden)\n"
        "  claim 184146026, billing status: Balance Due → Internal Review\n" in shown
    )
    assert "1 existing posting has different values in the files. Postings are never overwritten." in shown
    assert (
        "claim 184146026, line 1, posting 2: payment by primary of $88.00 (insurance, line 1, 03/20/2025) → payment by "
        "primary of $87.00 (insurance, line 1, 03/20/2025); post refund to primary that raises the balance by $1.00 "
        "(insurance, line 1, 03/20/2025)" in shown
    )
    assert "1 claim differs:\n  claim 184146026: $11.00 in the files, $10.00 in Batch Settle" in shown
    assert "Petra" not in shown
    assert "Paula" not in shown


def test_changes_are_applied_on_request_and_then_nothing_is_new(settle: Typed, tmp_path: Path) -> None:
    folder = imported(settle, tmp_path / "files")

    taken, after = again(settle, folder, "--take-changes"), again(settle, folder)

    assert "Applied 2 changes to existing records (patient name 1, claim billing status 1):" in taken.stdout
    assert "Lakeside: no new rows." in again(settle, changed_again(folder), "--take-changes").stdout
    assert "Nothing new: Lakeside already has all 2 claims." in after.stdout
    checked = again(settle, folder, "--check").stdout
    assert "An import would add to Lakeside: no rows." in checked
    assert "A/R total" in checked
    assert "in existing records" not in after.stdout


def test_the_audit_names_the_user_who_imports(settle: Typed, tmp_path: Path) -> None:
    folder = imported(settle, tmp_path / "files")
    user = ("user", "add", "ann@lakeside.example", "--practice", "Lakeside", "--role", "biller", "--limit", "unlimited")
    assert settle(*user).exit_code == 0

    assert again(settle, folder, "--as", "ann@lakeside.example").exit_code == 0
    assert "There is no active user" in again(settle, folder, "--as", "bob@lakeside.example").stderr


def test_an_unexpected_total_is_refused_with_the_difference(settle: Typed, tmp_path: Path) -> None:
    settle("import", "csv", "--template", tmp_path)

    refused = again(settle, tmp_path, "--expect-total", "230.00")

    assert refused.exit_code == 1
    assert refused.stderr == (
        "The files' A/R total is $232.50, not $230.00. The difference is $2.50. Nothing was imported.\n"
    )
    assert again(settle, tmp_path, "--expect-total", "$232.50").exit_code == 0
    assert again(settle, tmp_path, "--expect-total", "much").exit_code == 2


def test_all_faults_differences_and_corrections_go_into_files(settle: Typed, tmp_path: Path) -> None:
    folder = imported(settle, tmp_path / "files")
    lists = {name: tmp_path / f"{name}.csv" for name in ("all-faults", "all-differences", "corrections")}
    asked = [word for name, path in lists.items() for word in (f"--{name}", path)]

    assert again(settle, folder, *asked).exit_code == 0
    assert not lists["all-faults"].exists(), "without a fault there is no file"
    assert rows(lists["all-differences"])[1:] == [
        ["patient", "P-1", "name", "(hidden)", "(hidden)", "patients.csv", "2"],
        ["claim", "184146026", "billing_status", "Balance Due", "Internal Review", "claims.csv", "2"],
    ]
    posted = settle("import", "postings", lists["corrections"], "--practice", "Lakeside")
    assert "added 1 posting" in posted.stdout, posted.stderr

    with (folder / "postings.csv").open("a", encoding="utf-8") as file:
        file.writelines(f"x{n},UNKNOWN{n},1,patient,payment,-2.00,patient,,,2025-05-01\n" for n in range(120))
        file.writelines(f"y{n},184146026,1,patient,payment,2;00,patient,,,2025-05-01\n" for n in range(120))
    refused = again(settle, folder, *asked)
    assert len(refused.stderr.splitlines()) == 3, "each mistake is one line, and the count ends them"
    assert 'postings.csv, column line, 120 rows (line 8 "UNKNOWN0 / 1", line 9' in refused.stderr
    found = rows(lists["all-faults"])
    assert found[0] == ["kind", "file", "line", "column", "value", "fix", "note"]
    assert len(found) == 1 + 2 * 120
