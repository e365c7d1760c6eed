"""Navigation: sections along the top, the pages of a section below. A user sees only links that the role allows."""

from typing import Any, Final, NamedTuple

from flask import Flask, current_app, request

from core.access.permissions import Action, Actor


class NavItem(NamedTuple):
    """A page, and the blueprints whose pages belong to it."""

    words: str
    endpoint: str
    blueprints: tuple[str, ...]
    needs: Action = Action.SEE_CLAIMS


class NavSection(NamedTuple):
    """Pages that belong together. The section's link leads to the first page that the user may see."""

    words: str
    places: tuple[NavItem, ...]


SECTIONS: Final = (
    NavSection(
        "Claims",
        (
            NavItem(
                "Live Claims Feed",
                "feed.show",
                ("feed", "feed_views", "claim_list", "claims", "claim_work", "corrections", "posting_requests"),
            ),
            NavItem("Write-offs to post", "write_offs.index", ("write_offs",)),
            NavItem("Credits", "credits.index", ("credits",)),
            NavItem("A/R aging", "aging.show", ("aging",)),
            NavItem("Write-offs report", "write_off_report.show", ("write_off_report",)),
            NavItem("Payments after write-off", "recoveries.index", ("recoveries",)),
            NavItem("Holds and exclusions", "exclusions.index", ("exclusions",)),
            NavItem("Import", "imports.index", ("imports", "import_uploads"), Action.IMPORT),
            NavItem("Import mappings", "import_mappings.index", ("import_mappings",), Action.IMPORT),
            NavItem("Remittances", "remittances.index", ("remittances",)),
        ),
    ),
    NavSection("Jobs", (NavItem("Jobs", "jobs.index", ("jobs", "evidence", "reversals", "redate")),)),
    NavSection("Approvals", (NavItem("Approvals", "approvals.index", ("approvals",)),)),
    NavSection(
        "Schedules",
        (
            NavItem("Schedules", "schedules.index", ("schedules", "schedule_acts")),
            NavItem("Scheduled runs", "schedule_runs.index", ("schedule_runs",)),
        ),
    ),
    NavSection(
        "Settings",
        (
            NavItem(
                "Write-off settings", "settings.show", ("settings", "limits", "one_person", "factor_form", "time_zone")
            ),
            NavItem("Write-off reasons", "reasons.index", ("reasons",)),
            NavItem("Posting rules", "posting_rules.index", ("posting_rules",)),
            NavItem("Month-end close", "periods.index", ("periods",)),
            NavItem("Users", "users.index", ("users",), Action.MANAGE_USERS),
            NavItem("Single sign-on", "single_sign_on_form.show", ("single_sign_on_form",), Action.CHANGE_SETTING),
            NavItem("Webhooks", "webhooks.index", ("webhooks",), Action.MANAGE_WEBHOOKS),
            NavItem("Audit log", "audit.index", ("audit",), Action.SEE_AUDIT),
            NavItem("Weekly review", "review.show", ("review",), Action.SEE_REVIEW),
        ),
    ),
    NavSection("Operations", (NavItem("Operations", "operations.show", ("operations",), Action.SEE_OPERATIONS),)),
)


class NavLink(NamedTuple):
    """A link for the template."""

    words: str
    endpoint: str
    is_current: bool


def register(app: Flask) -> None:
    """Give every template `sections(actor)` and `places(actor)`."""
    app.context_processor(lambda: {"sections": _sections, "places": _items_of_section})


def _sections(actor: Actor) -> list[NavLink]:
    found = [(section, _visible_items(section, actor)) for section in SECTIONS]
    return [NavLink(section.words, seen[0].endpoint, any(map(_is_current, seen))) for section, seen in found if seen]


def _items_of_section(actor: Actor) -> list[NavLink]:
    """Return the pages of the open section, or none if it has only one."""
    for section in SECTIONS:
        seen = _visible_items(section, actor)
        if any(map(_is_current, seen)) and len(seen) > 1:
            return [NavLink(place.words, place.endpoint, _is_current(place)) for place in seen]
    return []


def _visible_items(section: NavSection, actor: Actor) -> list[NavItem]:
    known: dict[str, Any] = current_app.view_functions
    return [place for place in section.places if place.endpoint in known and actor.may(place.needs)]


def _is_current(place: NavItem) -> bool:
    return request.blueprint in place.blueprints
