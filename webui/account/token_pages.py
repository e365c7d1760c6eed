"""Your account: create and revoke your own API tokens."""

from http import HTTPStatus
from typing import Final

from flask import Blueprint, render_template, request
from werkzeug.wrappers import Response

from core import reading
from core.access import tokens
from core.access.permissions import Scope, VerificationNeeded
from core.access.tokens import BadTokenDays, BadTokenName, BadTokenScopes
from core.db.bounds import BIGINT_MAX
from webui.account.account_page import account_page
from webui.shared import acts
from webui.shared.auth import current_actor

blueprint = Blueprint("account_tokens", __name__, url_prefix="/account/tokens")
_ID_RULE: Final = f"<int(max={BIGINT_MAX}):token_id>"
_FIELDS: Final = {BadTokenName: "name", BadTokenScopes: "scopes", BadTokenDays: "days"}


@blueprint.post("")
def add() -> tuple[str, int]:
    """Create a token, and show it once."""
    current_actor()
    typed = request.form
    given = {
        "name": typed.get("name", ""),
        "scopes": [scope for scope in Scope if scope in typed.getlist("scopes")],
        "days": reading.number(typed.get("days", "").strip(), most=10_000) or 0,
    }
    try:
        made: str = acts.run(tokens.add_own, **given)
    except (BadTokenName, BadTokenScopes, BadTokenDays) as refusal:
        return account_page(faults={_FIELDS[type(refusal)]: refusal.message}, typed=typed), refusal.http_status
    except VerificationNeeded as refusal:
        return account_page(typed=typed), refusal.http_status  # which has the field
    # Not a redirect, because the token is only in this response.
    return render_template("account/token.html", token=made, **given), HTTPStatus.CREATED


@blueprint.post(f"/{_ID_RULE}/revoke")
def revoke(token_id: int) -> Response:
    """Revoke a token."""
    acts.run(tokens.revoke_own, token_id)
    return acts.redirect_with("The API token is revoked.", "account.show")
