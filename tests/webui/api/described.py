"""The check of each answer of the tests against the OpenAPI document."""

import re
from http import HTTPStatus
from typing import Any, Final

from flask import Flask
from jsonschema import Draft202012Validator
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

_ROWS_MAX: Final = 5  # of a list, because checking each row would take longer than the request

_documents: list[dict[str, Any]] = []  # the document is the same for all applications of a process
_validators: dict[tuple[str, str, int], Draft202012Validator] = {}


def faults(app: Flask, answer: TestResponse) -> list[str]:
    """Return what the document does not say of the answer. Only the first rows of a list are checked."""
    if not _documents:
        _documents.append(app.test_client().get("/api/v1/openapi.json").json or {})
    method, status = answer.request.method.lower(), answer.status_code
    try:
        rule, _ = app.url_map.bind_to_environ(answer.request.environ).match(return_rule=True)
    except HTTPException:
        return []  # no such address
    path = re.sub(r"<(?:[^<:>]+:)?([^<>]+)>", r"{\1}", rule.rule)
    responses = _documents[0]["paths"][path][method]["responses"]
    described = responses.get(str(status), responses["default"] if status >= HTTPStatus.INTERNAL_SERVER_ERROR else None)
    if described is None:
        return [f"status {status}: {answer.get_data(as_text=True)[:200]}"]
    content = described.get("content", {})
    if answer.mimetype not in content:
        return [f"type {answer.mimetype}"] if answer.content_length else []
    if not answer.is_json:
        return []
    validator = _validators.get((path, method, status))
    if validator is None:
        schema = {**content[answer.mimetype]["schema"], "components": _documents[0]["components"]}
        validator = _validators[path, method, status] = Draft202012Validator(schema)
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(_shortened(answer.json))]


def _shortened(found: Any) -> Any:
    if isinstance(found, dict):
        return {name: _shortened(value) for name, value in found.items()}
    return [_shortened(one) for one in found[:_ROWS_MAX]] if isinstance(found, list) else found
