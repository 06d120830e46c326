"""A mail server for tests: aiosmtpd, with messages read by Python's own e-mail parser.

Usage: smtp_server.py plain|starttls|tls [USER PASSWORD]

Its first line is {"port", "certificate"}; then one line of JSON for each message it takes over. It
ends when its input does. The certificate is for 127.0.0.1 and made anew at each start.
"""

import asyncio
import datetime
import ipaddress
import json
import ssl
import sys
import tempfile
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def certificate(folder):
    """A self-made certificate for 127.0.0.1: (path of certificate, path of both)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail server for tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for path, content in ((f"{folder}/certificate.pem", public), (f"{folder}/both.pem", public + private)):
        with open(path, "wb") as file:
            file.write(content)
    return f"{folder}/certificate.pem", f"{folder}/both.pem"


def tell(what):
    print(json.dumps(what), flush=True)


class Inbox:
    async def handle_DATA(self, server, session, envelope):
        message = message_from_bytes(envelope.content, policy=policy.default)
        parts = {part.get_content_type(): part.get_content() for part in message.iter_parts()}
        tell(
            {
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "encrypted": server.transport.get_extra_info("ssl_object") is not None,
                "user": getattr(session, "user", None),
                "headers": [[name, str(value)] for name, value in message.items()],
                "defects": [str(defect) for defect in message.defects],
                "ascii": envelope.content.isascii(),
                "longest": max(map(len, envelope.content.split(b"\r\n"))),
                "kind": message.get_content_type(),
                "parts": parts,
            }
        )
        return "250 taken"


async def main():
    mode, login = sys.argv[1], sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        public, both = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(both)

        def authenticate(server, session, envelope, mechanism, data):
            given = [data.login.decode(), data.password.decode()]
            session.user = given[0]
            return AuthResult(success=given == login, handled=False)

        def serve():
            return SMTP(
                Inbox(),
                hostname="mail.test",
                enable_SMTPUTF8=True,
                tls_context=context if mode == "starttls" else None,
                require_starttls=mode == "starttls",
                authenticator=authenticate if login else None,
                auth_required=bool(login),
                auth_require_tls=mode == "starttls",
            )

        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            serve, "127.0.0.1", 0, ssl=context if mode == "tls" else None
        )
        port = server.sockets[0].getsockname()[1]
        tell({"port": port, "certificate": open(public).read()})
        await loop.run_in_executor(None, sys.stdin.read)
        server.close()


asyncio.run(main())
