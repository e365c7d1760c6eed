"""Version 1 of the HTTP API: what the pages do, for programs, with a token instead of a browser session."""

from http import HTTPStatus
from typing import Final

from flask import Response
from flask_openapi3.openapi import OpenAPI
from werkzeug.exceptions import HTTPException

from core.errors import Refusal
from webui.api import (
    aging,
    approvals,
    audit,
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
    login,
    mappings,
    months,
    notices,
    operations,
    posting_files,
    posting_rules,
    postings,
    practice,
    reasons,
    recoveries,
    remittance_answers,
    remittances,
    rule_limits,
    schedule_runs,
    schedules,
    search,
    users,
    views,
    voids,
    webhooks,
    write_off_report,
)
from webui.api.blueprint import api
from webui.shared import problem_json
from webui.shared.auth import csrf, limiter

__all__ = [
    "aging",
    "approvals",
    "audit",
    "claim_totals",
    "claims",
    "credit_balances",
    "credit_moves",
    "exclusions",
    "imports",
    "job_control",
    "job_files",
    "job_list",
    "jobs",
    "login",
    "mappings",
    "months",
    "notices",
    "operations",
    "posting_files",
    "posting_rules",
    "postings",
    "practice",
    "reasons",
    "recoveries",
    "register",
    "remittance_answers",
    "remittances",
    "rule_limits",
    "schedule_runs",
    "schedules",
    "search",
    "users",
    "views",
    "voids",
    "webhooks",
    "write_off_report",
]

# a script with an old token is refused quickly and does not keep the server busy
FAILED_TOKENS_PER_ADDRESS: Final = "60 per minute"


def register(app: OpenAPI) -> None:
    """Add the API and its document to the application."""
    docs.describe(app)
    app.register_api(api)


def _refusal(refusal: Refusal) -> Response:
    answer = problem_json.problem_from_refusal(refusal)
    if refusal.http_status is HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _token_failed(response: Response) -> bool:
    return response.status_code == HTTPStatus.UNAUTHORIZED


# Once, at import, because a blueprint and the limiter outlive the applications that use them.
csrf.exempt(api)  # a browser never sends a token by itself, so other sites cannot forge a request
limiter.limit(FAILED_TOKENS_PER_ADDRESS, deduct_when=_token_failed)(api)
api.register_error_handler(Refusal, _refusal)
api.register_error_handler(HTTPException, problem_json.problem_from_http_error)
api.register_error_handler(Exception, problem_json.problem_from_unexpected_error)
