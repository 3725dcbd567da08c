"""An SMTP server for tests: says where it listens, then each mail that it takes, a JSON object a line."""

import argparse
import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

REFUSED = {
    "nobody": "550 5.1.1 No such user nobody",
    "moved": "551 5.1.6 Not here any more",
    "full": "552 5.2.2 Mailbox full",
    "grey": "451 4.7.1 Greylisted, come again",
    "policy": "554 5.7.1 Not from you",
}


def tell(**what):
    print(json.dumps(what), flush=True)


class Mails:
    """Decides by the recipient's name what becomes of a mail."""

    def __init__(self):
        self.open = 0
        self.peak = 0

    async def handle_MAIL(self, server, session, envelope, address, options):
        if address.startswith("unknown@"):
            return "550 5.7.1 Sender unknown"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name == "slow":
            await asyncio.sleep(60)
        if name in REFUSED:
            return REFUSED[name]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.open += 1
        self.peak = max(self.peak, self.open)
        await asyncio.sleep(0.02)
        self.open -= 1
        name = envelope.rcpt_tos[0].split("@")[0]
        if name == "spam":
            return "550 5.7.1 Refused: " + envelope.content.decode("ascii", "replace")[:200].replace("\r\n", " ")
        if name == "later":
            return "421 4.3.2 Shutting down"
        tell(
            sender=envelope.mail_from,
            to=envelope.rcpt_tos,
            content=envelope.content.decode("utf-8"),
            tls=session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None,
            user=session.auth_data.login.decode() if session.auth_data else None,
            peer=session.peer[1],
            peak=self.peak,
        )
        return "250 OK"


def authenticator(user, password):
    def check(server, session, envelope, mechanism, data):
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (user, password)
        return AuthResult(success=right, handled=False, auth_data=data)

    return check


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", choices=["none", "starttls", "wrapped"], default="none")
    parser.add_argument("--cert")
    parser.add_argument("--key")
    parser.add_argument("--login")
    args = parser.parse_args()
    context = None
    if args.tls != "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.cert, args.key)
    settings = {"hostname": "mail.test", "enable_SMTPUTF8": False}
    if args.tls == "starttls":
        settings.update(tls_context=context, require_starttls=True)
    if args.login:
        user, password = (part.encode() for part in args.login.split(":"))
        settings.update(
            authenticator=authenticator(user, password), auth_required=True, auth_require_tls=args.tls == "starttls"
        )
    mails = Mails()
    loop = asyncio.get_running_loop()
    wrapped = context if args.tls == "wrapped" else None
    server = await loop.create_server(lambda: SMTP(mails, loop=loop, **settings), "127.0.0.1", 0, ssl=wrapped)
    tell(port=server.sockets[0].getsockname()[1])
    # Ends with whoever started it.
    await loop.run_in_executor(None, sys.stdin.read)


asyncio.run(main())
