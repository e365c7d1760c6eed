"""An OpenID provider: pyop (IdentityPython), and a few faults on request.

pyop shares no code with the libraries that the product uses. It checks the client and its secret, the redirect address,
the code and PKCE. The program prints its port, and serves until its input closes.
"""

import base64
import hashlib
import hmac
import json
import sys
import threading
import time
from typing import Any

from Cryptodome.PublicKey import RSA
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, jsonify, redirect, request
from jwkest.jwk import RSAKey
from oic.oic.message import IdToken
from pyop.authz_state import AuthorizationState
from pyop.provider import Provider
from pyop.subject_identifier import HashBasedSubjectIdentifierFactory
from pyop.userinfo import Userinfo
from werkzeug.serving import make_server

PATHS = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks",
         "userinfo_endpoint": "userinfo", "end_session_endpoint": "logout"}  # fmt: skip
HOUR = 3_600

app = Flask(__name__)
users: dict[str, dict[str, Any]] = {}
control: dict[str, Any] = {}


def make_key() -> RSAKey:
    # Not RSA.generate, which is written in Python and takes over a second.
    made = rsa.generate_private_key(65_537, 2_048).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return RSAKey(key=RSA.import_key(made), alg="RS256", use="sig", kid=f"key-{time.monotonic_ns()}")


class FaultyProvider(Provider):
    """Changes a token after pyop made it, if a test asked for that."""

    published: RSAKey

    def _create_signed_id_token(self, *given: Any) -> str:
        token: str = super()._create_signed_id_token(*given)
        wrong, alg = control.get("id_token", {}), control.get("alg")
        if not wrong and alg is None:
            return token
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        changed = IdToken(**{name: value for name, value in {**claims, **wrong}.items() if value is not None})
        if alg == "HS256":
            return sign_with_public_key(changed.to_json(), self.signing_key)
        return str(changed.to_jwt([self.signing_key], alg or "RS256"))


def sign_with_public_key(payload: str, key: RSAKey) -> str:
    """Sign as an attacker who hopes that the server takes the public key for a shared secret."""

    def encoded(part: bytes) -> str:
        return base64.urlsafe_b64encode(part).decode().rstrip("=")

    signed = f"{encoded(json.dumps({'alg': 'HS256', 'kid': key.kid}).encode())}.{encoded(payload.encode())}"
    return f"{signed}.{encoded(hmac.new(key.key.publickey().export_key(), signed.encode(), hashlib.sha256).digest())}"


def make_provider(issuer: str) -> FaultyProvider:
    key = make_key()
    configuration = {
        "issuer": "https://a.test", **{name: f"{issuer}/{path}" for name, path in PATHS.items()},
        "scopes_supported": ["openid", "email", "profile"], "subject_types_supported": ["public"],
        "response_types_supported": ["code"], "token_endpoint_auth_methods_supported": ["client_secret_post"],
    }  # fmt: skip
    state = AuthorizationState(HashBasedSubjectIdentifierFactory("salt"))
    made = FaultyProvider(key, configuration, state, {}, Userinfo(users))
    made.configuration_information["issuer"] = issuer  # pyop insists on https, but only when it is created
    made.published = key
    return made


@app.post("/control")
def set_control() -> str:
    control.clear()
    control.update(request.get_json())
    if user := control.get("user"):
        users[user["sub"]] = user
    provider.clients[control["client"]] = {
        "client_secret": control["secret"], "redirect_uris": control.get("redirect_uris", []),
        "response_types": ["code"], "token_endpoint_auth_method": control.get("method", "client_secret_post"),
    }  # fmt: skip
    provider.published = make_key() if control.get("new_key") else provider.published
    provider.signing_key = make_key() if control.get("unpublished_key") else provider.published
    return ""


@app.get("/.well-known/openid-configuration")
def show_configuration() -> Any:
    return jsonify(provider.provider_configuration.to_dict() | control.get("discovery", {})), control.get("status", 200)


@app.get("/jwks")
def show_keys() -> Any:
    return jsonify({"keys": [provider.published.serialize()]})


@app.get("/authorize")
def authorize() -> Any:
    """Sign the user in without a question, as if a session were open there."""
    asked = provider.parse_authentication_request(request.query_string.decode())
    if error := control.get("error"):
        return redirect(f"{asked['redirect_uri']}?error={error}&state={asked['state']}")
    if "login" in asked.get("prompt", ""):
        control.setdefault("auth_time", int(time.time()))
    return redirect(provider.authorize(asked, control["user"]["sub"]).request(asked["redirect_uri"]))


@app.post("/token")
def issue_token() -> Any:
    time.sleep(control.get("hangs", 0))
    claims = {**control.get("claims", {}), "auth_time": control.get("auth_time", int(time.time()) - HOUR)}
    return jsonify(
        provider.handle_token_request(request.get_data(as_text=True), dict(request.headers), claims).to_dict()
    )


@app.get("/userinfo")
def show_user() -> Any:
    return jsonify(provider.handle_userinfo_request("", dict(request.headers)).to_dict())


@app.get("/logout")
def sign_out() -> Any:
    return redirect(f"{request.args['post_logout_redirect_uri']}?state={request.args['state']}")


@app.errorhandler(Exception)
def refuse(error: Exception) -> Any:
    return jsonify({"error": getattr(error, "oauth_error", "invalid_client"), "why": repr(error)}), 400


if __name__ == "__main__":
    server = make_server("127.0.0.1", 0, app, threaded=True)
    provider = make_provider(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    sys.stdin.read()
