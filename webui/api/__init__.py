"""Version 1 of the HTTP API: what the pages do, for programs, with a token instead of a browser session."""

from http import HTTPStatus
from typing import Final

from flask import Flask, Response, request
from flask_limiter.util import get_remote_address
from werkzeug.exceptions import HTTPException

from core.access.token_hash import hash_token
from core.errors import Refusal
from webui.api import (  # noqa: F401 – each adds its views to the blueprint
    account,
    aging,
    approvals,
    audit,
    claim_postings,
    claim_totals,
    claims,
    credit_balances,
    credit_moves,
    docs,
    exclusions,
    imports,
    job_control,
    job_files,
    job_list,
    jobs,
    limits,
    login,
    mappings,
    months,
    notices,
    operations,
    posting_files,
    posting_requests,
    posting_rules,
    postings,
    practice,
    reasons,
    recoveries,
    remittance_answers,
    remittances,
    review,
    rule_limits,
    schedule_runs,
    schedules,
    search,
    second_factor,
    single_sign_on,
    users,
    views,
    voids,
    webhooks,
    write_off_report,
)
from webui.api.blueprint import api
from webui.shared import problem_json
from webui.shared.auth import csrf
from webui.shared.failed_sign_ins import limiter

# A script with an old token is refused quickly and does not keep the server busy. Each token has a count of its own at
# each address, so that a good one works beside a bad one. To guess one, 256 bits are too many.
FAILURES_PER_TOKEN: Final = "60 per minute"  # noqa: S105 – a limit


def register(app: Flask) -> None:
    """Add the API and its document to the application."""
    app.register_blueprint(docs.docs)
    app.register_blueprint(api)


def _refusal(refusal: Refusal) -> Response:
    answer = problem_json.problem_from_refusal(refusal)
    if refusal.http_status is HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _token_failed(response: Response) -> bool:
    return response.status_code == HTTPStatus.UNAUTHORIZED


def _token_key() -> str:
    return f"{get_remote_address()} {hash_token(request.headers.get('Authorization', '')).hex()}"


# Once, at import, because a blueprint and the limiter outlive the applications that use them.
csrf.exempt(api)  # a browser never sends a token by itself, so other sites cannot forge a request
limiter.limit(FAILURES_PER_TOKEN, key_func=_token_key, deduct_when=_token_failed)(api)
api.register_error_handler(Refusal, _refusal)
api.register_error_handler(HTTPException, problem_json.problem_from_http_error)
api.register_error_handler(Exception, problem_json.problem_from_unexpected_error)
