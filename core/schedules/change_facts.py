"""What the audit log keeps of a schedule's change: each field as it was and as it is now."""

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Final

from core.access.permissions import Actor
from core.models.schedules import Schedule
from core.money import limit_as_json
from core.schedules.requests import FIELDS, ScheduleRequest

# The entry only says that they changed: notes and names of people are not for the log.
_PERSONAL: Final = frozenset({"note", "mail_to", "patient"})
_CAPS: Final = {"claims_max": "claim_cap", "cents_max": "dollar_cap_cents"}


def of_change(schedule: Schedule, wanted: Mapping[str, Any], request: ScheduleRequest, *, by: Actor) -> dict[str, Any]:
    """Return the facts of a change to these values of columns, before it is made."""
    changed = [name for name, value in wanted.items() if getattr(schedule, name) != value]
    facts: dict[str, Any] = {"fields": sorted({FIELDS.get(name, name) for name in changed})}
    for name in changed:
        before, after = getattr(schedule, name), wanted[name]
        if name == "filter":
            facts[name] = dict(_of_filter(before, after))
        elif name in ("reason", "own_reason"):
            facts["reason"] = {"from": schedule.reason_code, "to": request.reason}
        elif name in _CAPS:
            facts[_CAPS[name]] = {"from": limit_as_json(before), "to": limit_as_json(after)}
        elif name not in _PERSONAL:
            facts[FIELDS.get(name, name)] = {"from": _in_json(before), "to": _in_json(after)}
    if schedule.owner_id != by.user_id:
        facts["owner"] = {"from": schedule.owner_id, "to": by.user_id}
    return facts


def _of_filter(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            yield key, {"changed": True} if key in _PERSONAL else {"from": before.get(key), "to": after.get(key)}


def _in_json(value: Any) -> Any:
    return value.isoformat("minutes") if isinstance(value, dt.time) else value
