"""What the browser loads: unchanged vendored files, every icon, nothing inline, nothing from another host."""

import hashlib
import re
from pathlib import Path

import pytest

from core.enums.jobs import JobStatus

WEBUI = Path(__file__).parents[2] / "webui"
VENDOR = WEBUI / "static" / "vendor"
OWN = [path for path in (WEBUI / "static").rglob("*") if path.suffix in {".js", ".css"} and VENDOR not in path.parents]
TEMPLATES = sorted((WEBUI / "templates").rglob("*.html"))
_ROW = re.compile(r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", re.MULTILINE)


def test_vendored_files_match_the_checksums_in_their_readme() -> None:
    named = dict(_ROW.findall((VENDOR / "README.md").read_text()))
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.name != "README.md"
    }

    assert found == named


@pytest.mark.parametrize("status", list(JobStatus))
def test_every_job_status_has_its_page_part(status: JobStatus) -> None:
    assert (WEBUI / "templates" / "jobs" / f"_{status.value}.html").is_file()


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_scripts_and_style_sheets_load_nothing_and_evaluate_no_text(path: Path) -> None:
    content = path.read_text()

    assert not re.search(r"https?://(?!www\.w3\.org/)|url\((?!['\"]?(?:#|\./|/static/))", content)
    assert not re.search(r"\beval\(|new Function\(|setAttribute\(\"style\"|document\.write", content)


def test_templates_have_nothing_inline() -> None:
    inline = re.compile(r"<style|\sstyle=|\son[a-z]+=\"|javascript:|<script(?![^>]*\ssrc=)|\|\s*safe\b")

    assert len(TEMPLATES) > 100
    assert {str(path): inline.findall(path.read_text()) for path in TEMPLATES if inline.search(path.read_text())} == {}


def test_every_named_icon_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([a-z]+)"', (WEBUI / "static" / "icons.svg").read_text()))
    named = {
        name
        for path in TEMPLATES
        for name in re.findall(r'(?:m\.|\b)icon\("([a-z]+)"\)|m\.note\("[a-z]+", "([a-z]+)"', path.read_text())
        for name in name
        if name
    }
    pills = set(re.findall(r'Pill\("[^"]+", "([a-z]+)"', "".join(path.read_text() for path in WEBUI.rglob("*.py"))))

    assert "check" in pills
    assert named | pills <= drawn
