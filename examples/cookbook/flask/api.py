"""An API that checks access tokens by itself (RFC 9068), and asks for a step-up where a payment is large (RFC 9470)."""

import json
import os
import time
from functools import wraps
from urllib.request import urlopen

import jwt
from flask import Flask, g, request

ISSUER = os.environ.get("ISSUER", "http://localhost:4000")
AUDIENCE = os.environ.get("AUDIENCE", "https://api.example/")

# Two factors, or one that cannot be phished; proven within the last five minutes.
MFA = ["http://schemas.openid.net/pape/policies/2007/06/multi-factor", "phr"]
MAX_AGE = 300

with urlopen(f"{ISSUER}/.well-known/oauth-authorization-server") as answer:
    metadata = json.load(answer)
if metadata["issuer"] != ISSUER:
    raise SystemExit(f"{ISSUER} calls itself {metadata['issuer']}")
keys = jwt.PyJWKClient(metadata["jwks_uri"], timeout=5)
app = Flask(__name__)


def challenge(status, **members):
    """Answers that the token will not do (RFC 6750 section 3)."""
    said = ", ".join(f'{name}="{value}"' for name, value in members.items())
    return members, status, {
        "WWW-Authenticate": f"Bearer {said}".strip(),
        "Access-Control-Expose-Headers": "WWW-Authenticate",  # a page of another origin must read it
    }


def checked(token):
    """The claims of a token that is for this API."""
    if jwt.get_unverified_header(token).get("typ") not in ("at+jwt", "application/at+jwt"):
        raise jwt.InvalidTokenError("this is no access token")
    key = keys.get_signing_key_from_jwt(token)
    options = {"require": ["exp", "iss", "aud", "sub"]}
    return jwt.decode(token, key, algorithms=["ES256"], issuer=ISSUER, audience=AUDIENCE, options=options)


def requires(scope):
    """Lets requests through whose token is for this API and has this scope; its claims are in `g.token`."""

    def decorate(view):
        @wraps(view)
        def guarded():
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not token:
                return challenge(401)
            try:
                g.token = checked(token.strip())
            except jwt.PyJWKClientConnectionError:
                return {"error": "temporarily_unavailable"}, 503  # not the fault of who sent the token
            except jwt.PyJWTError:
                return challenge(401, error="invalid_token")
            if scope not in str(g.token.get("scope", "")).split():
                return challenge(403, error="insufficient_scope", scope=scope)
            return view()

        return guarded

    return decorate


def proves_fresh_mfa():
    """Whether the token tells of such a login."""
    auth_time = g.token.get("auth_time")
    if g.token.get("acr") not in MFA or not isinstance(auth_time, int):
        return False
    return -60 <= time.time() - auth_time <= MAX_AGE


@app.get("/orders")
@requires("orders")
def orders():
    return {"orders": [], "of": g.token["sub"]}


@app.post("/payments")
@requires("payments")
def pay():
    amount = (request.get_json(silent=True) or {}).get("amount")
    if type(amount) is not int or amount <= 0:  # no NaN, which is never more than 100
        return {"error": "no amount"}, 400
    if amount > 100 and not proves_fresh_mfa():
        return challenge(
            401,
            error="insufficient_user_authentication",
            error_description="a payment of this size takes a second factor, proven within five minutes",
            acr_values=" ".join(MFA),
            max_age=MAX_AGE,
        )
    return {"paid": amount, "by": g.token["sub"]}


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8082")))
