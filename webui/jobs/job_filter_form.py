"""The filter of the list of jobs, as its form sends it."""

from collections.abc import Mapping
from typing import Any, Final

from flask import request
from sqlalchemy.orm import Session

from core import reading
from core.enums.jobs import JobKind, JobStatus
from core.jobs import job_queries
from core.jobs.job_filter import BadJobFilter, JobFilter
from core.practices import reasons
from webui.shared import page_arguments
from webui.shared.labels import words

_FIELDS: Final = ("name", "requester", "kind", "reason", "from", "to", "amount_min", "amount_max")


def read() -> JobFilter:
    """Return the filter in the address. Raise `BadJobFilter` naming each fault. An unknown status means all."""
    faults: dict[str, str] = {}
    first, last = (page_arguments.day(name, faults) for name in ("from", "to"))
    least, most = (page_arguments.cents(name, faults) for name in ("amount_min", "amount_max"))
    requester, kind = page_arguments.number("requester"), page_arguments.one_of(JobKind, "kind")
    for name, value in (("requester", requester), ("kind", kind)):
        if value is None and request.args.get(name):
            faults[name] = "Choose one from the list."
    if faults:
        raise BadJobFilter(reading.join_faults(faults), faults=faults)
    return JobFilter(
        status=page_arguments.one_of(JobStatus, "status"),
        name=page_arguments.text("name"),
        kind=kind,
        reason=request.args.get("reason") or None,
        person=requester,
        first_day=first,
        last_day=last,
        amount_min_cents=least,
        amount_max_cents=most,
    )


def asked() -> Mapping[str, str]:
    """Return what the fields show again, without the status, which has its own links."""
    return {name: typed for name in _FIELDS if (typed := request.args.get(name, "").strip())}


def choices(session: Session, practice_id: int) -> dict[str, Any]:
    """Return the choices of the form's fields."""
    return {
        "people": job_queries.people(session, practice_id),
        "kinds": [(kind.value, words(kind)) for kind in JobKind],
        "reasons": [(reason.code, reason.name) for reason in reasons.list_reasons(session, practice_id)],
    }
