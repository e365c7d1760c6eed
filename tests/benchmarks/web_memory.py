"""The peak memory of a web process that shows a job and writes its files, for a small job and for a large one."""

from pathlib import Path
from typing import Final

from core.access import user_sessions
from core.access.permissions import Actor
from core.db.engine import transaction
from core.jobs.keys import JobKey
from core.local.guardian import Guardian
from tests.acceptance.product import Product
from tests.acceptance.web import Web
from tests.benchmarks import runs
from tests.benchmarks.measure import Row
from tests.benchmarks.places import Place
from tests.processes import family_of
from webui.shared.auth import SESSION_COOKIE

GROWTH_MAX: Final = 0.10
# `{job}` is finished and `{preview}` is not confirmed.
_ADDRESSES: Final = (
    "/claims", "/feed/totals", "/feed/counts", "/jobs/{preview}", "/jobs/{job}", "/jobs/{job}/certificate",
    "/jobs/{job}/files/settled.csv", "/jobs/{job}/files/settled.xlsx", "/jobs/{job}/files/not-settled.csv",
    "/jobs/{preview}/files/not-processed.xlsx",
)  # fmt: skip


def row(place: Place, product: Product, by: Actor, *, small: JobKey, large: JobKey) -> Row:
    """Return the row for the growth from the small job to the large one, each in a web process of its own."""
    claims = [runs.progress(product.sessions, job).total for job in (small, large)]
    few = runs.claim_numbers(product.sessions, by.practice_id, skipped=0, count=claims[0])
    previews = [
        runs.preview(product.sessions, by, selection=selection, key=f"memory {number}")
        for number, selection in enumerate(({"claim_ids": few}, {"all": True}))
    ]
    before, after = (
        _peak(place, product, by, job, preview) for job, preview in zip((small, large), previews, strict=True)
    )
    growth = after / before - 1
    return Row(
        f"memory of a web process, from a job of {claims[0]:,} to one of {claims[1]:,} claims", f"{growth:+.1%}",
        f"{before / 1024:.0f} MB", "", f"less than {GROWTH_MAX:+.0%}", growth < GROWTH_MAX,
    )  # fmt: skip


def _peak(place: Place, product: Product, by: Actor, job: JobKey, preview: JobKey) -> int:
    """Return the peak memory of the largest process in kilobytes."""
    with transaction(product.sessions) as session:
        cookie = f"{SESSION_COOKIE}={user_sessions.start(session, by, runs.utc_now())}"
    with Guardian() as guardian:  # a fork's memory contains what it shares
        web = Web(guardian, product, folder=place.folder)
        web.start()
        try:
            for address in _ADDRESSES:
                path = address.format(job=job.job_id, preview=preview.job_id)
                answer = web.ask("GET", path, headers={"Cookie": cookie})
                assert answer.status == 200, (path, answer.status)
            return max(_peak_of(process.pid) for process in family_of(web.pid))
        finally:
            web.kill()


def _peak_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
