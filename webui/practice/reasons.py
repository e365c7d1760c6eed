"""The page of the practice's own reasons for write-offs."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from flask import render_template, request
from werkzeug.wrappers import Response

from core.access.permissions import Action
from core.enums.ledger import REASON_NAMES
from core.errors import Refusal
from core.models.practices import PracticeReason
from core.practices import reasons
from core.practices.reasons import BadReason, NoSuchReason, ReasonNameTaken
from core.reading import as_sentence
from webui.shared import acts
from webui.shared.auth import Pages, current_actor

_TEXTS: Final = ("name", "adjustment_code", "gl_account")

blueprint = Pages("reasons", __name__, url_prefix="/reasons")


@blueprint.get("", needs=Action.SEE_CLAIMS)
def index() -> str:
    """Show the reasons, and the form to add one for users who may."""
    return _page()


@blueprint.post("", needs=Action.CHANGE_SETTING)
def add() -> Response | tuple[str, int]:
    """Add a reason. Faults appear at their fields."""
    texts = _typed()
    try:
        reason = acts.run(reasons.add, kind=request.form.get("kind", ""), **texts)
    except (BadReason, ReasonNameTaken, reasons.TooManyReasons) as refusal:
        return _page(typed=request.form, faults=_faults(refusal)), refusal.http_status
    return acts.redirect_with(f"Reason “{reason.name}” added.", "reasons.index")


@blueprint.get("/<code>", needs=Action.CHANGE_SETTING)
def edit(code: str) -> str:
    """Show the page with one reason to change."""
    reason = _find(code)
    return _page(editing=reason, typed={name: getattr(reason, name) for name in _TEXTS})


@blueprint.post("/<code>", needs=Action.CHANGE_SETTING)
def change(code: str) -> Response | tuple[str, int]:
    """Change a reason's name and codes."""
    try:
        reason = acts.run(reasons.change, code, _typed())
    except (BadReason, ReasonNameTaken) as refusal:
        return _page(editing=_find(code), typed=request.form, faults=_faults(refusal)), refusal.http_status
    return acts.redirect_with(
        f"Reason “{reason.name}” saved. Existing jobs keep the name and codes from their preview.", "reasons.index"
    )


@blueprint.post("/<code>/retire", needs=Action.CHANGE_SETTING)
def retire(code: str) -> Response | tuple[str, int]:
    """Stop offering a reason."""
    try:
        reason = acts.run(reasons.retire, code)
    except (reasons.LastReason, reasons.ReasonInUse) as refusal:
        return _page(refused=refusal.message), HTTPStatus.CONFLICT
    return acts.redirect_with(f"Reason “{reason.name}” retired. New jobs can no longer use it.", "reasons.index")


@blueprint.post("/<code>/restore", needs=Action.CHANGE_SETTING)
def restore(code: str) -> Response:
    """Offer a retired reason again."""
    reason = acts.run(reasons.restore, code)
    return acts.redirect_with(f"New jobs can use the reason “{reason.name}” again.", "reasons.index")


def _typed() -> dict[str, str]:
    return {name: request.form.get(name, "") for name in _TEXTS}


def _faults(refusal: Refusal) -> dict[str, str]:
    """Return the faults by field, as sentences."""
    found = refusal.facts.get("faults", {"name": refusal.message})
    return {name: as_sentence(fault) for name, fault in found.items()}


def _find(code: str) -> PracticeReason:
    found = acts.read(reasons.list_reasons, current_actor().practice_id)
    for reason in found:
        if reason.code == code:
            return reason
    raise NoSuchReason


def _page(
    *,
    editing: PracticeReason | None = None,
    typed: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
    refused: str | None = None,
) -> str:
    found = acts.read(reasons.list_reasons, current_actor().practice_id)
    return render_template(
        "reasons/index.html",
        reasons=found,
        kinds=REASON_NAMES,
        editing=editing,
        typed=typed or {},
        faults=faults or {},
        refused=refused,
        name_max=reasons.NAME_CHARACTERS_MAX,
        code_max=reasons.CODE_CHARACTERS_MAX,
        may_change=current_actor().may(Action.CHANGE_SETTING),
    )
