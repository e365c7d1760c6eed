"""The changes that an import applied, from the audit log to the old and new values. axe finds no fault."""

from pathlib import Path

import pytest

from core.enums.people import Role
from core.intake.csv.csv_import import import_csv
from core.intake.csv.csv_template import write_template
from core.intake.loading.imported import ImportOptions
from tests.browser.conftest import OPEN, faults_of, no_browser
from tests.factories import NOW, GivenPractice

pytestmark = no_browser


@pytest.mark.parametrize("width", [1280, 390])
def test_the_audit_log_leads_to_the_old_and_new_values_of_an_import(
    practice: GivenPractice, open_as: OPEN, tmp_path: Path, width: int
) -> None:
    admin = practice.person("admin@lakeside.example", Role.ADMIN)
    write_template(tmp_path)
    options = ImportOptions(take_changes=True)
    practice.do(import_csv, tmp_path, practice_name="Lakeside", now=NOW)
    patients = tmp_path / "patients.csv"
    patients.write_text(patients.read_text(encoding="utf-8").replace("Petra", "Paula"), encoding="utf-8")
    practice.do(import_csv, tmp_path, practice_name="Lakeside", by=admin, options=options, now=NOW)
    page = open_as("/audit", admin, viewport={"width": width, "height": 900})

    page.get_by_role("link", name="Applied changes from an import").click()

    page.get_by_role("cell", name="Sample, Petra").wait_for()
    assert page.get_by_role("cell", name="Sample, Paula").count() == 1
    assert faults_of(page) == ""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
