"""The web application: pages, forms and the API. It translates between HTTP and core, and decides nothing."""

import datetime as dt
import secrets
from collections.abc import Callable
from typing import Final

from flask import Flask, Response, redirect, request, url_for
from sqlalchemy import Engine
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as BaseResponse

from core.access.permissions import Action
from core.db.engine import make_engine, make_sessions
from core.errors import BadSettings
from core.settings import Settings, load_settings
from webui import api, search
from webui.account import (
    account_page,
    factor_pages,
    factor_setup,
    passkey_pages,
    passkey_setup,
    password_pages,
    sign_in_code,
    single_sign_on,
    token_pages,
)
from webui.claims import (
    aging,
    claim_actions,
    claim_list,
    claim_page,
    corrections,
    credit_balances,
    exclusions,
    feed,
    posting_requests,
    recoveries,
    remittances,
    write_off_report,
    write_offs,
)
from webui.imports import change_labels, import_mappings, import_pages, upload
from webui.jobs import approvals, confirm, job_files, job_pages, posting_date, reversals, status_change, try_again
from webui.notices import notice_pages, webhook_pages
from webui.operations import broker, dashboard, health, metrics
from webui.practice import (
    audit,
    factor_form,
    limits,
    months,
    one_person_form,
    posting_rules,
    reasons,
    review,
    single_sign_on_form,
    time_zone,
    users,
    write_off_settings,
)
from webui.schedules import schedule_actions, schedule_labels, schedule_pages, schedule_runs
from webui.shared import (
    apostrophes,
    auth,
    body_limits,
    file_downloads,
    hints,
    html_errors,
    labels,
    navigation,
    passkey_site,
    problem_json,
    refusals,
    request_log,
    verification,
)
from webui.shared.app_context import AppContext, utc_now
from webui.shared.auth import HOST_PREFIX, csrf, signed_in_actor
from webui.shared.url_converters import ClaimIdConverter

# Threads that need a connection too: the one for files, the heartbeat, and those for /readyz and /metrics.
EXTRA_DATABASE_THREADS: Final = 4

# Scripts, styles, images and requests come from this host only. Nothing is inline or evaluated.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
)


def create_app(
    settings: Settings | None = None,
    engine: Engine | None = None,
    clock: Callable[[], dt.datetime] = utc_now,
) -> Flask:
    """Create the web application. `app.extensions["settle"]` is its `AppContext`.

    Raise `BadSettings` if neither an engine nor a database is given.
    """
    settings = settings or load_settings()
    if engine is None:
        if settings.database_url is None:
            raise BadSettings("SETTLE_DATABASE_URL: the web server needs a database; `settle up` starts one")
        engine = make_engine(
            settings.database_url.get_secret_value(), pool_size=settings.web_threads + EXTRA_DATABASE_THREADS
        )
    app = Flask("webui")
    app.extensions["settle"] = AppContext(engine, make_sessions(engine), settings, hints.make_hints(settings), clock)
    _configure(app, settings)
    _register(app)
    return app


def _configure(app: Flask, settings: Settings) -> None:
    app.config.update(
        SECRET_KEY=_secret_key(settings),
        SESSION_COOKIE_NAME=f"{HOST_PREFIX if settings.https_only else ''}settle_forms",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.https_only,
        WTF_CSRF_TIME_LIMIT=None,  # as long as the browser's session, because a form may stay open over lunch
        WTF_CSRF_SSL_STRICT=settings.https_only,
    )
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.url_map.converters["claim_id"] = ClaimIdConverter
    csrf.init_app(app)
    body_limits.register(app, threads=settings.web_threads)
    app.after_request(_add_security_headers)


def _register(app: Flask) -> None:
    _register_operations(app)
    problem_json.register(app)
    labels.register(app)
    apostrophes.register(app)
    navigation.register(app)
    html_errors.register(app)
    auth.register(app)
    passkey_site.register(app)
    verification.register(app)
    feed.register(app)
    confirm.register(app)
    status_change.register(app)
    schedule_labels.register(app)
    change_labels.register(app)
    approvals.register(app)
    notice_pages.register(app)
    for pages in (job_pages, job_files, reversals, claim_page, claim_actions, corrections, posting_requests):
        app.register_blueprint(pages.blueprint)
    for pages in (
        schedule_pages,
        schedule_actions,
        schedule_runs,
        time_zone,
        one_person_form,
        factor_form,
        single_sign_on_form,
        users,
        webhook_pages,
    ):
        app.register_blueprint(pages.blueprint)
    _register_practice_pages(app)
    for pages in (
        account_page, factor_pages, factor_setup, passkey_pages, passkey_setup, password_pages, sign_in_code,
        single_sign_on, token_pages,
    ):  # fmt: skip
        app.register_blueprint(pages.blueprint)
    app.register_blueprint(search.blueprint)
    api.register(app)
    app.add_url_rule("/", "home", _home)


def _register_operations(app: Flask) -> None:
    """Register what operators need."""
    request_log.register(app)
    refusals.register(app)
    broker.register(app)
    file_downloads.register(app)
    health.register(app)
    metrics.register(app)
    app.register_blueprint(dashboard.blueprint)


def _register_practice_pages(app: Flask) -> None:
    """Register imports, remittances, month-end close, credits, exclusions, reasons, audit and write-offs."""
    for pages in (
        import_pages, upload, import_mappings, months, posting_date, credit_balances, aging, recoveries, remittances,
        exclusions, reasons, posting_rules, audit, review, write_offs, write_off_report, claim_list, try_again,
        write_off_settings, limits,
    ):  # fmt: skip
        app.register_blueprint(pages.blueprint)


def _home() -> BaseResponse:
    actor = signed_in_actor()
    if actor is None:
        return redirect(url_for("auth.sign_in"))  # which returns here after the sign-in
    return redirect(url_for("feed.show" if actor.may(Action.SEE_CLAIMS) else "operations.show"))


def _secret_key(settings: Settings) -> str:
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    if settings.web_workers > 1:
        raise BadSettings("SETTLE_SECRET_KEY: set it, because all web workers must sign forms with the same key")
    return secrets.token_hex()


def _add_security_headers(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if request.endpoint != "static":
        headers.setdefault("Cache-Control", "no-store")  # pages contain names and amounts
    return response
