"""Record each refusal of a signed-in user's request in the audit log, with the client's address."""

from http import HTTPStatus

from flask import Flask, Response, g, request

from core.access import audit
from core.db.engine import transaction
from core.models.people import User
from webui.shared.app_context import app_context, now
from webui.shared.clients import client_address
from webui.shared.request_log import job_of_request


def register(app: Flask) -> None:
    """Record refusals of pages and of the API."""
    app.after_request(_record)


def _record(response: Response) -> Response:
    actor = g.get("actor") or g.get("api_actor")
    if response.status_code == HTTPStatus.FORBIDDEN and actor:
        facts = {"page": request.endpoint, "method": request.method, "address": client_address(), **job_of_request()}
        with transaction(app_context().sessions) as session:
            user = session.get_one(User, actor.user_id)
            audit.record(session, "user.refused", user, by=actor, now=now(), **facts)
    return response
