"""Where one can go: sections along the top, the places of a section below. One table; who may not see, sees no link."""

from typing import Any, Final, NamedTuple

from flask import Flask, current_app, request

from core.access.permissions import Action, Actor


class Place(NamedTuple):
    """A page, and the blueprints whose pages belong to it."""

    words: str
    endpoint: str
    blueprints: tuple[str, ...]
    needs: Action = Action.SEE_CLAIMS


class Section(NamedTuple):
    """Places that belong together; the first that a person may see is where the section's link leads."""

    words: str
    places: tuple[Place, ...]


SECTIONS: Final = (
    Section("Claims", (Place("Live Claims Feed", "feed.show", ("feed", "claims", "claim_work")),
                       Place("Credits", "credits.index", ("credits",)),
                       Place("Late payments", "recoveries.index", ("recoveries",)),
                       Place("Holds and exclusions", "exclusions.index", ("exclusions",)))),
    Section("Jobs", (Place("Jobs", "jobs.index", ("jobs", "evidence", "reversals", "redate")),)),
    Section("Approvals", (Place("Approvals", "approvals.index", ("approvals",)),)),
    Section("Schedules", (Place("Schedules", "schedules.index", ("schedules", "schedule_acts")),
                          Place("Runs", "schedule_runs.index", ("schedule_runs",)))),
    Section("Settings", (Place("Balance Writeoff and limits", "settings.show", ("settings", "limits", "time_zone")),
                         Place("Months", "periods.index", ("periods",)),
                         Place("Users", "users.index", ("users",), Action.MANAGE_USERS),
                         Place("Audit", "audit.index", ("audit",), Action.SEE_AUDIT))),
    Section("Operations", (Place("Operations", "operations.show", ("operations",), Action.SEE_OPERATIONS),)),
)  # fmt: skip


class Shown(NamedTuple):
    """A link as the template draws it."""

    words: str
    endpoint: str
    is_current: bool


def register(app: Flask) -> None:
    """Give every template `sections(actor)` and `places(actor)`."""
    app.context_processor(lambda: {"sections": _sections, "places": _places})


def _sections(actor: Actor) -> list[Shown]:
    found = [(section, _seen(section, actor)) for section in SECTIONS]
    return [Shown(section.words, seen[0].endpoint, any(map(_is_current, seen))) for section, seen in found if seen]


def _places(actor: Actor) -> list[Shown]:
    """The places of the section that is open; none where it has but one."""
    for section in SECTIONS:
        seen = _seen(section, actor)
        if any(map(_is_current, seen)) and len(seen) > 1:
            return [Shown(place.words, place.endpoint, _is_current(place)) for place in seen]
    return []


def _seen(section: Section, actor: Actor) -> list[Place]:
    known: dict[str, Any] = current_app.view_functions
    return [place for place in section.places if place.endpoint in known and actor.may(place.needs)]


def _is_current(place: Place) -> bool:
    return request.blueprint in place.blueprints
