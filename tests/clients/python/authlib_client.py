"""A relying party made of Authlib: it knows OpenID Connect, and nothing of the server it talks to.

Each function is one claim. The last line printed is a JSON object of what was seen; any claim that fails ends it with 1.
"""

import json
import secrets
import sys
from urllib.parse import parse_qs, urlencode, urlsplit

import requests
from authlib.integrations.requests_client import OAuth2Session, OAuthError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from walk import Walker

SCOPE = "openid profile email offline_access"


class RelyingParty:
    """One registered client and the documents of its provider."""

    def __init__(self, settings):
        self.issuer = settings["issuer"]
        self.redirect_uri = settings["redirect_uri"]
        self.client_id = settings["client_id"]
        self.provider = requests.get(f"{self.issuer}/.well-known/openid-configuration", timeout=30).json()
        self.keys = KeySet.import_key_set(requests.get(self.provider["jwks_uri"], timeout=30).json())
        self.session = OAuth2Session(
            self.client_id,
            settings.get("client_secret"),
            scope=SCOPE,
            redirect_uri=self.redirect_uri,
            code_challenge_method="S256",
            token_endpoint_auth_method=settings["method"],
            revocation_endpoint_auth_method=settings["method"],
            token_endpoint=self.provider["token_endpoint"],
        )
        if settings["method"] == "private_key_jwt":
            key = settings["private_key"]
            self.session.client_secret = ECKey.import_key(key)
            assertion = PrivateKeyJWT(self.provider["token_endpoint"], headers={"kid": key["kid"]}, alg="ES256")
            self.session.register_client_auth_method(assertion)
        self.walker = Walker(settings["username"], settings["password"])

    def authorize(self):
        """A fresh authorization answer, with the verifier and nonce that belong to it."""
        verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
        url, state = self.session.create_authorization_url(
            self.provider["authorization_endpoint"], code_verifier=verifier, nonce=nonce, prompt="consent"
        )
        answer = self.walker.authorize(url, self.redirect_uri)
        return answer, state, verifier, nonce

    def redeem(self, answer, state, verifier):
        return self.session.fetch_token(authorization_response=answer, state=state, code_verifier=verifier)

    def userinfo(self, access_token):
        headers = {"Authorization": f"Bearer {access_token}"}
        return requests.get(self.provider["userinfo_endpoint"], headers=headers, timeout=30)


def discovery_is_consistent(party):
    provider = party.provider
    assert provider["issuer"] == party.issuer, provider["issuer"]
    assert "code" in provider["response_types_supported"]
    assert "S256" in provider["code_challenge_methods_supported"]
    assert provider["authorization_response_iss_parameter_supported"] is True
    assert party.session.token_endpoint_auth_method in provider["token_endpoint_auth_methods_supported"]
    assert len(list(party.keys)) > 0
    assert not any(key.is_private for key in party.keys), "a private key is published"


def code_flow_yields_a_valid_id_token(party):
    answer, state, verifier, nonce = party.authorize()
    query = parse_qs(urlsplit(answer).query)
    assert query["state"] == [state] and query["iss"] == [party.issuer], query
    token = party.redeem(answer, state, verifier)
    assert token["token_type"].lower() == "bearer" and token["expires_in"] > 0, sorted(token)
    claims = id_token_claims(party, token, nonce)
    assert "at_hash" in claims, sorted(claims)
    return token, claims


def id_token_claims(party, token, nonce):
    decoded = jwt.decode(token["id_token"], party.keys, party.provider["id_token_signing_alg_values_supported"])
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        options={
            "iss": {"essential": True, "value": party.issuer},
            "aud": {"essential": True, "value": party.client_id},
        },
        params={"client_id": party.client_id, "nonce": nonce, "access_token": token["access_token"]},
    )
    claims.validate()
    return claims


def userinfo_agrees_with_the_id_token(party, token, claims):
    response = party.userinfo(token["access_token"])
    assert response.status_code == 200, response.text
    info = response.json()
    assert info["sub"] == claims["sub"], "another subject"
    assert info["email_verified"] is True and "@" in info["email"], info
    return info


def refresh_yields_a_new_access_token(party, token, claims):
    fresh = party.session.refresh_token(refresh_token=token["refresh_token"])
    assert fresh["access_token"] != token["access_token"]
    assert party.userinfo(fresh["access_token"]).json()["sub"] == claims["sub"]
    if party.session.client_secret is None:
        assert fresh["refresh_token"] != token["refresh_token"], "a public client's refresh token must rotate"
    return fresh


def wrong_verifier_is_refused_and_spends_nothing(party):
    answer, state, verifier, nonce = party.authorize()
    refused("invalid_grant", party.redeem, answer, state, secrets.token_urlsafe(48))
    id_token_claims(party, party.redeem(answer, state, verifier), nonce)


def code_replay_is_refused_and_ends_the_grant(party):
    answer, state, verifier, _ = party.authorize()
    token = party.redeem(answer, state, verifier)
    assert party.userinfo(token["access_token"]).status_code == 200
    refused("invalid_grant", party.redeem, answer, state, verifier)
    assert party.userinfo(token["access_token"]).status_code == 401, "the grant outlived the replay of its code"
    refused("invalid_grant", party.session.refresh_token, refresh_token=token["refresh_token"])


def what_is_given_back_is_dead_at_once(party):
    """RFC 7009 by this client's own method; RFC 7662 where it can authenticate."""
    revoke, ask = party.provider["revocation_endpoint"], party.provider["introspection_endpoint"]
    answer, state, verifier, _ = party.authorize()
    token = party.redeem(answer, state, verifier)
    confidential = party.session.client_secret is not None

    def active(kind):
        return party.session.introspect_token(ask, token=token[kind]).json().get("active")

    if confidential:
        assert active("access_token") is True and active("refresh_token") is True
    assert party.session.revoke_token(revoke, token=token["access_token"]).status_code == 200
    assert party.userinfo(token["access_token"]).status_code == 401, "a revoked access token opens userinfo"
    if confidential:
        assert active("access_token") is False and active("refresh_token") is True
    fresh = party.session.refresh_token(refresh_token=token["refresh_token"])
    hint = {"token_type_hint": "refresh_token"}
    assert party.session.revoke_token(revoke, token=fresh["refresh_token"], **hint).status_code == 200
    assert party.userinfo(fresh["access_token"]).status_code == 401, "an access token outlived its grant"
    refused("invalid_grant", party.session.refresh_token, refresh_token=fresh["refresh_token"])


def a_sign_out_asks_and_leads_back(party, uri):
    """Without an ID token the user is asked; afterwards nobody is signed in."""
    parameters = {"client_id": party.client_id, "post_logout_redirect_uri": uri, "state": secrets.token_urlsafe(16)}
    back = party.walker.authorize(f"{party.provider['end_session_endpoint']}?{urlencode(parameters)}", uri)
    assert parse_qs(urlsplit(back).query) == {"state": [parameters["state"]]}, back
    url, _ = party.session.create_authorization_url(
        party.provider["authorization_endpoint"], code_verifier=secrets.token_urlsafe(48), prompt="none"
    )
    answer = parse_qs(urlsplit(party.walker.authorize(url, party.redirect_uri)).query)
    assert answer["error"] == ["login_required"], answer


def refused(error, call, *arguments, **named):
    try:
        call(*arguments, **named)
    except OAuthError as refusal:
        assert refusal.error == error, refusal
    else:
        raise AssertionError(f"accepted, where {error} was due")


def main():
    settings = json.load(sys.stdin)
    party = RelyingParty(settings)
    discovery_is_consistent(party)
    token, claims = code_flow_yields_a_valid_id_token(party)
    info = userinfo_agrees_with_the_id_token(party, token, claims)
    refresh_yields_a_new_access_token(party, token, claims)
    wrong_verifier_is_refused_and_spends_nothing(party)
    code_replay_is_refused_and_ends_the_grant(party)
    what_is_given_back_is_dead_at_once(party)
    if "post_logout_redirect_uri" in settings:
        a_sign_out_asks_and_leads_back(party, settings["post_logout_redirect_uri"])
    print(json.dumps({"ok": True, "claims": claims, "userinfo": info}))


if __name__ == "__main__":
    main()
