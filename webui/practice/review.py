"""The weekly review: what the owner of the practice should look at."""

import datetime as dt

from flask import render_template, request

from core.access.permissions import Action
from core.audit import review
from core.audit.findings import FINDINGS_SHOWN, KIND_WORDS
from webui.shared import acts, page_arguments
from webui.shared.app_context import now
from webui.shared.auth import Pages, current_actor

blueprint = Pages("review", __name__, url_prefix="/review")


@blueprint.get("", needs=Action.SEE_REVIEW)
def show() -> str:
    """Show the findings of a week, by default of last week. A date that is none shows last week.

    A flood of findings hides none: each number is shown, and the page shows all findings on request.
    """
    day = page_arguments.day("week", {}) if request.args.get("week") else None
    found = acts.read(review.for_user, current_actor(), day, now=now())
    monday = found.week.first_day
    return render_template(
        "review/show.html",
        review=found,
        words=KIND_WORDS,
        most=None if request.args.get("all") == "yes" else FINDINGS_SHOWN,
        ongoing=found.week.ends > now(),
        before=monday - dt.timedelta(days=7),
        after=monday + dt.timedelta(days=7),
    )
