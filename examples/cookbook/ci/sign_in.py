"""Signs in to a test server by the JSON steps of its login, as a test of one's own application does; no browser is needed."""

import base64
import hashlib
import hmac
import secrets
import struct
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import requests


class User:
    """Somebody with a browser, a password and, once it was set up, an authenticator app."""

    def __init__(self, issuer, name, password):
        self.issuer = issuer
        self.name = name
        self.password = password
        self.browser = requests.Session()
        self.app = None
        self.last_step = 0
        self.asked = []

    def sign_in(self, client_id, redirect_uri, **parameters):
        """Goes through an authorization request; the answer is that of the token endpoint. `asked` has what was asked for."""
        verifier = secrets.token_urlsafe(32)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "state": secrets.token_urlsafe(16),
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **parameters,
        }
        opened = self.browser.get(f"{self.issuer}/authorize?{urlencode(query)}", allow_redirects=False)
        place = opened.headers["location"]
        back = self._steps(self.issuer + place) if place.startswith("/login/") else place
        answer = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
        assert answer["state"] == query["state"] and answer["iss"] == self.issuer, back
        if "error" in answer:
            return answer
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": redirect_uri,
            "client_id": client_id,
            "code_verifier": verifier,
        }
        return requests.post(f"{self.issuer}/oauth/token", form).json()

    def _steps(self, login):
        """Answers each step of a login, and says where it leads in the end."""
        self.asked = []
        step = self.browser.get(login, headers={"accept": "application/json"}).json()
        while step["step"] != "done":
            self.asked.append(step["step"])
            answer = {**self._answer(step), "csrf": step["csrf"]}
            step = self.browser.post(login, json=answer, headers={"origin": self.issuer}).json()
            assert "error" not in step, step
        return step["redirect_to"]

    def _answer(self, step):
        kind = step["step"]
        if kind == "password":
            return {"answer": kind, "login": self.name, "password": self.password}
        if kind == "enrol":
            secret = step["secret"].replace(" ", "")
            self.app = base64.b32decode(secret + "=" * (-len(secret) % 8))
            return {"answer": kind, "code": self._code()}
        if kind == "code":
            return {"answer": kind, "code": self._code()}
        return {"answer": kind}  # "recovery_codes" and "consent": yes

    def _code(self):
        """A code of the app that was not used before (RFC 6238); each serves once, so the next may have to be waited for."""
        step = max(int(time.time()) // 30, self.last_step + 1)
        while int(time.time()) // 30 + 1 < step:
            time.sleep(1)
        self.last_step = step
        mac = hmac.digest(self.app, struct.pack(">Q", step), "sha1")
        (number,) = struct.unpack_from(">I", mac, mac[19] & 15)
        return f"{(number & 0x7FFFFFFF) % 1_000_000:06d}"
