"""A browser without script: it follows redirects, keeps cookies, and fills in the forms that a person would."""

from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import requests

MOST_PAGES = 20


class Form:
    """One HTML form: where it goes, what its fields hold, and its first button that submits."""

    def __init__(self, attributes):
        self.action = attributes.get("action") or ""
        self.method = (attributes.get("method") or "get").lower()
        self.fields = {}
        self.button = None

    def add(self, tag, attributes):
        kind = (attributes.get("type") or ("submit" if tag == "button" else "text")).lower()
        name, value = attributes.get("name"), attributes.get("value") or ""
        if kind == "submit":
            # The first submit button of a form means yes.
            if self.button is None:
                self.button = (name, value)
        elif name and (kind not in ("checkbox", "radio") or "checked" in attributes):
            self.fields[name] = value


class Forms(HTMLParser):
    """The forms of a page, in order."""

    def __init__(self, page):
        super().__init__()
        self.forms = []
        self.open = None
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "form":
            self.open = Form(dict(attributes))
            self.forms.append(self.open)
        elif tag in ("input", "button") and self.open is not None:
            self.open.add(tag, dict(attributes))

    def handle_endtag(self, tag):
        if tag == "form":
            self.open = None


class Walker:
    """A person at a browser, who knows a user name and a password and agrees to everything."""

    def __init__(self, username, password):
        self.session = requests.Session()
        self.known = {"username": username, "password": password}

    def authorize(self, url, redirect_uri):
        """Opens an authorization URL and walks on until the answer for `redirect_uri` comes; returns that address."""
        request = requests.Request("GET", url)
        for _ in range(MOST_PAGES):
            # What the environment says of authorities counts for prepared requests only when asked for.
            trusted = self.session.merge_environment_settings(request.url, {}, None, None, None)
            prepared = self.session.prepare_request(request)
            response = self.session.send(prepared, allow_redirects=False, timeout=30, **trusted)
            if response.is_redirect:
                target = urljoin(response.url, response.headers["Location"])
                if target.startswith(redirect_uri):
                    return target
                request = requests.Request("GET", target)
            else:
                request = self.submit(response)
        raise AssertionError(f"no answer after {MOST_PAGES} pages")

    def submit(self, response):
        forms = Forms(response.text).forms
        if response.status_code != 200 or not forms:
            raise AssertionError(f"status {response.status_code} without a way on at {response.url}:\n{response.text}")
        form = forms[0]
        data = dict(form.fields)
        if form.button and form.button[0]:
            data[form.button[0]] = form.button[1]
        data.update({name: value for name, value in self.known.items() if name in form.fields})
        url = urljoin(response.url, form.action)
        if form.method == "get":
            return requests.Request("GET", url, params=data)
        address = urlsplit(response.url)
        return requests.Request("POST", url, data=data, headers={"Origin": f"{address.scheme}://{address.netloc}"})
