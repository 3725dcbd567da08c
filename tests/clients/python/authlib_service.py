"""A service and an API made of Authlib: one asks for tokens of its own, the other asks what tokens are worth.

Each function is one claim. The last line printed is a JSON object of what was seen; any claim that fails ends it with 1.
"""

import json
import sys

import requests
from authlib.integrations.requests_client import OAuth2Session, OAuthError


class Party:
    """A confidential client and the documents of its provider."""

    def __init__(self, settings, client):
        self.resource = settings["resource"]
        url = f"{settings['issuer']}/.well-known/oauth-authorization-server"
        self.provider = requests.get(url, timeout=30).json()
        self.session = OAuth2Session(
            client["client_id"],
            client["client_secret"],
            token_endpoint_auth_method=client["method"],
            revocation_endpoint_auth_method=client["method"],
        )

    def token(self, **parameters):
        return self.session.fetch_token(
            self.provider["token_endpoint"], grant_type="client_credentials", resource=self.resource, **parameters
        )

    def worth(self, token, **parameters):
        response = self.session.introspect_token(self.provider["introspection_endpoint"], token=token, **parameters)
        assert response.status_code == 200, response.text
        assert response.headers["cache-control"] == "no-store"
        return response.json()

    def revoke(self, token, **parameters):
        response = self.session.revoke_token(self.provider["revocation_endpoint"], token=token, **parameters)
        assert response.status_code == 200, response.text


INACTIVE = {"active": False}


def a_service_gets_a_token_of_its_own(service):
    token = service.token(scope="orders")
    assert token["token_type"] == "Bearer" and token["expires_in"] > 0, sorted(token)
    assert token["scope"] == "orders" and "refresh_token" not in token and "id_token" not in token, sorted(token)
    return token["access_token"]


def scopes_of_users_are_refused(service):
    for scope in ("openid", "orders offline_access"):
        try:
            service.token(scope=scope)
        except OAuthError as refusal:
            assert refusal.error == "invalid_scope", refusal
        else:
            raise AssertionError(f"{scope} was given to a client for itself")


def the_api_hears_what_it_is_worth(service, api, token):
    worth = api.worth(token, token_type_hint="refresh_token")
    assert worth["active"] is True and worth["token_type"] == "Bearer", worth
    assert worth["sub"] == worth["client_id"] == service.session.client_id, worth
    assert worth["scope"] == "orders" and worth["aud"] == api.resource, worth
    assert worth["exp"] - worth["iat"] > 0 and worth["iss"] == api.provider["issuer"], worth
    assert service.worth(token) == worth, "its own client hears the same"
    return worth


def others_hear_nothing_and_end_nothing(other, api, token):
    assert other.worth(token) == INACTIVE
    other.revoke(token)
    other.revoke("unknown")
    assert api.worth(token)["active"] is True


def a_revoked_token_is_inactive_at_once(service, api, token):
    kept = a_service_gets_a_token_of_its_own(service)
    service.revoke(token, token_type_hint="access_token")
    service.revoke(token)
    assert api.worth(token) == service.worth(token) == INACTIVE
    assert api.worth(kept)["active"] is True


def main():
    settings = json.load(sys.stdin)
    service, api, other = (Party(settings, settings[name]) for name in ("service", "api", "other"))
    token = a_service_gets_a_token_of_its_own(service)
    scopes_of_users_are_refused(service)
    worth = the_api_hears_what_it_is_worth(service, api, token)
    others_hear_nothing_and_end_nothing(other, api, token)
    a_revoked_token_is_inactive_at_once(service, api, token)
    print(json.dumps({"ok": True, "worth": worth, "opaque": token.count(".") == 0}))


if __name__ == "__main__":
    main()
