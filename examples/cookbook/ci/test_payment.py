"""What our API lets through, and what it takes: `ISSUER=… API=… python -m unittest` in this folder."""

import os
import unittest

import requests
from sign_in import User

ISSUER, API = os.environ["ISSUER"], os.environ["API"]
MFA = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
REQUEST = {
    "client_id": "shop",
    "redirect_uri": "http://localhost:5173/callback",
    "scope": "openid orders payments",
    "resource": "https://api.example/",
}


def pay(tokens, amount):
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    return requests.post(f"{API}/payments", json={"amount": amount}, headers=headers)


class Payment(unittest.TestCase):
    def test_a_large_payment_takes_a_second_factor(self):
        bob = User(ISSUER, "bob", "bob-password")
        tokens = bob.sign_in(**REQUEST)
        self.assertEqual(bob.asked, ["password", "consent"])
        self.assertEqual(pay(tokens, 20).status_code, 200)
        refused = pay(tokens, 500)
        self.assertEqual(refused.status_code, 401)
        self.assertIn('error="insufficient_user_authentication"', refused.headers["www-authenticate"])

        tokens = bob.sign_in(**REQUEST, acr_values=MFA, max_age=300)
        # No password: the session is there. A page on loopback, which others could pose as, asks for consent every time.
        self.assertEqual(bob.asked, ["enrol", "recovery_codes", "consent"])
        self.assertEqual(pay(tokens, 500).status_code, 200)

    def test_who_only_knows_the_password_pays_little(self):
        thief = User(ISSUER, "alice", "alice-password")
        self.assertEqual(pay(thief.sign_in(**REQUEST), 101).status_code, 401)


if __name__ == "__main__":
    unittest.main()
