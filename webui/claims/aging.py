"""The A/R aging: balances by age, responsibility and payer. Each amount links to its claims."""

import datetime as dt
from typing import Any, Final

from flask import Response, render_template, url_for

from core.access.permissions import Action, Actor
from core.claims import aging
from core.claims.age_buckets import BUCKETS, Bucket
from core.claims.aging import AgingRow
from core.enums.ledger import Responsibility
from webui.shared import acts, file_downloads
from webui.shared.auth import Pages, current_actor, current_day

SMALLEST: Final = "0.01"  # dollars: the smallest balance

blueprint = Pages("aging", __name__, url_prefix="/aging")


@blueprint.get("", needs=Action.SEE_CLAIMS)
def show() -> str:
    """Show the aging as of today."""
    today = current_day()
    found = acts.read(aging.aging, current_actor().practice_id, today=today)
    return render_template(
        "aging/show.html",
        aging=found,
        buckets=BUCKETS,
        ages=[f"#{bucket.label} days" for bucket in BUCKETS],
        today=today,
        claims_page=_claims_page,
    )


@blueprint.get("/aging.<any(csv, xlsx):form>", needs=Action.SEE_CLAIMS)
def download(form: str) -> Response:
    """Download the aging as of today."""
    return send_aging_file(form, today=current_day(), by=current_actor())


def send_aging_file(form: str, *, today: dt.date, by: Actor) -> Response:
    """Answer with the aging as `csv` or `xlsx`. It names no patient, so the audit log does not record the download."""
    return file_downloads.send_file(
        by=by,
        name=f"aging-{today}.{form}",
        record=lambda _: by.require(Action.SEE_CLAIMS),
        pieces=lambda db: aging.file(aging.aging(db, by.practice_id, today=today), form),
    )


def _claims_page(side: Responsibility, row: AgingRow | None, bucket: Bucket | None, *, credits_: bool = False) -> str:
    """Return the URL of the feed with the claims of an amount. If `row` is None, include the claims of all payers."""
    keys: dict[str, Any] = {}
    if row is not None:
        keys |= {"primary_payer_id": row.payer_id} if row.payer_id else {"has_primary": "false"}
    if bucket is not None:
        keys["age_bucket"] = bucket.key
    keys |= {f"{side.value}_due_max": f"-{SMALLEST}"} if credits_ else {f"{side.value}_due_min": SMALLEST}
    return url_for("feed.show", **keys)
