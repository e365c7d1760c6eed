"""Importing CSV files with `settle import csv`, and the memory of its process."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from tests.benchmarks.measure import Row, Watch
from tests.benchmarks.places import Place
from tests.benchmarks.runs import Sizes
from tests.folders import open_folder

SECONDS_RATIO_MAX: Final = 0.5
MEMORY_GROWTH_MAX_MB: Final = 64
LOOK_SECONDS: Final = 0.01
_HERE: Final = Path(sys.executable).with_name("settle")
_SHORT_FILES: Final = {
    "billing_statuses.csv": ["name", "Bill Secondary Insurance"],
    "offices.csv": ["office_id,name", *(f"O{n},Office {n}" for n in range(4))],
    "providers.csv": ["provider_id,name", *(f"90000000{n:02d},Provider {n}" for n in range(12))],
    "payers.csv": ["payer_id,name,payer_class", *(f"1000{n},Payer {n},commercial" for n in range(40))],
}
_LONG_FILES: Final = {
    "patients.csv": "patient_id,name,birth_date",
    "claims.csv": "claim_id,patient_id,office_id,billing_provider_id,supervising_provider_id,claim_type,service_date,"
    "service_time,billing_status,primary_payer_id,primary_status,secondary_payer_id,secondary_status,hold,allowed,"
    "expected,first_edi_date,last_edi_date",
    "line_items.csv": "claim_id,line,procedure_code,charge,responsibility",
    "postings.csv": "posting_id,claim_id,line,responsibility,kind,amount,paid_by,group_code,reason_code,posting_date",
}
_LINES_OF_CLAIMS: Final = (1, 2, 2, 3, 4, 3)
_CLAIMS_OF_PATIENT: Final = 4


@dataclass
class _Version:
    """A version of the product, and the time and memory of its imports."""

    settle: Path
    database: str
    watch: Watch = field(default_factory=Watch)

    def run(self, place: Place, database: str, *words: str) -> int:
        """Run a command of this version. Return the peak memory of its process in bytes."""
        command, most = [self.settle, *words], 0
        url = {"SETTLE_DATABASE_URL": place.url(database)}
        with subprocess.Popen(command, env=os.environ | url, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
            looked = psutil.Process(run.pid)
            while run.poll() is None:
                most = max(most, looked.memory_info().rss)
                time.sleep(LOOK_SECONDS)
            said = run.stdout.read().decode() if run.stdout else ""
        assert run.returncode == 0, said
        return most


def rows(place: Place, sizes: Sizes, other: Path | None = None) -> list[Row]:
    """Return the rows of time and of memory. The version in the worktree `other` imports the same files in turn."""
    versions = [_Version(_HERE, "importing")]
    if other is not None:
        versions.append(_Version(other / ".venv/bin/settle", "importing_before"))
    for version in versions:
        place.empty(version.database)
        version.run(place, version.database, "migrate")
    with open_folder() as folder:
        tenth, all_ = _write(folder / "tenth", sizes.imported // 10), _write(folder / "all", sizes.imported)
        memory = [_import(place, versions[0], tenth)]
        versions[0].watch.seconds.clear()
        for turn in range(sizes.times):
            for version in versions[turn % len(versions) :] + versions[: turn % len(versions)]:
                used = _import(place, version, all_)
                if version is versions[0]:
                    memory.append(used)
    return [_seconds(sizes.imported, versions), _memory(sizes.imported, memory)]


def _seconds(lines: int, versions: list[_Version]) -> Row:
    here, *before = (version.watch.median for version in versions)
    what, shown = f"importing {lines:,} service lines", f"{here:.1f} s, {lines / here:,.0f} lines/s"
    if not before:
        return Row(what, shown, "", "", "", reached=True)
    ratio = here / before[0]
    what += ", this version / the other version"
    return Row(what, shown, f"{before[0]:.1f} s", f"{ratio:.2f} ×", f"at most {SECONDS_RATIO_MAX:g} ×",
               ratio <= SECONDS_RATIO_MAX)  # fmt: skip


def _memory(lines: int, used: list[int]) -> Row:
    first, most = used[0] / 2**20, max(used[1:]) / 2**20
    what = f"memory of the import, from {lines // 10:,} to {lines:,} lines"
    return Row(what, f"{most - first:+.0f} MB", f"{first:.0f} MB", "", f"less than {MEMORY_GROWTH_MAX_MB} MB more",
               most - first < MEMORY_GROWTH_MAX_MB)  # fmt: skip


def _import(place: Place, version: _Version, folder: Path) -> int:
    """Import the files into an empty database. Return the memory used."""
    options = ["--practice", "Lakeside"]
    if version.settle == _HERE:
        options.append("--create")  # version 0.1.0 lacks this option, because it always creates the practice
    with place.copy_of(version.database, "importing_now") as database, version.watch.running():
        return version.run(place, database, "import", "csv", str(folder), *options)


def _write(folder: Path, lines: int) -> Path:
    """Write the files of a practice with this many service lines, each with a charge and one or two postings."""
    folder.mkdir(mode=0o755)
    for name, rows_ in _SHORT_FILES.items():
        (folder / name).write_text("\n".join([*rows_, ""]))
    files = {name: (folder / name).open("w") for name in _LONG_FILES}
    for name, file in files.items():
        file.write(f"{_LONG_FILES[name]}\n")
    for name, row in _rows(lines):
        files[name].write(f"{row}\n")
    for file in files.values():
        file.close()
    return folder


def _rows(lines: int) -> Iterator[tuple[str, str]]:
    """Yield the rows with the names of their files. The rows are the same each time."""
    chance = random.Random(1)
    left = lines
    for n in range(lines):
        if not left:
            return
        of_claim = min(left, chance.choice(_LINES_OF_CLAIMS))
        left -= of_claim
        patient, claim = n // _CLAIMS_OF_PATIENT, f"A{n:08d}"
        day = f"2025-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
        if n % _CLAIMS_OF_PATIENT == 0:
            yield "patients.csv", f'P-{patient},"Last{patient}, First{patient}",19{patient % 70 + 30}-01-15'
        claims_row = (
            f"{claim},P-{patient},O{n % 4},90000000{n % 12:02d},,Professional,{day},09:{n % 60:02d},Balance Due,"
            f"1000{n % 40},ERA Received,,,,{80 * of_claim}.00,{70 * of_claim}.00,{day},{day}"
        )
        yield "claims.csv", claims_row
        for line in range(1, of_claim + 1):
            charge = chance.randint(50, 300)
            paid = chance.randint(10, charge - 5)
            adjusted = charge - paid - chance.randint(0, 4)
            cpt = chance.choice(("99213", "99214", "97110", "80053", "36415"))
            on = f"2026-01-{chance.randint(1, 28):02d}"
            place = f"{claim},{line},insurance"
            yield "line_items.csv", f"{claim},{line},{cpt},{charge}.00,insurance"
            paid_cents = f"{paid}.{chance.randint(0, 99):02d}"
            yield "postings.csv", f"PA{n}L{line},{place},payment,-{paid_cents},primary,,,{on}"
            yield "postings.csv", f"AD{n}L{line},{place},adjustment,-{adjusted}.00,,CO,45,{on}"
