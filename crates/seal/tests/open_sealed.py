"""Open a sealed file with nothing of the studio's own code.

    python3 open_sealed.py KEY_HEX WORKSPACE OBJECT FILE > CONTENT

Needs the package `cryptography`. Written from c2sp.org/age and the documentation of crate `seal`.
Exit code 0: opened, 1: refused.
"""

import hashlib
import hmac
import struct
import sys
from base64 import b64decode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CHUNK = 64 * 1024 + 16


def unpadded(text):
    return b64decode(text + "=" * (-len(text) % 4), validate=True)


def derive(file_key, salt, info):
    return HKDF(hashes.SHA256(), 32, salt, info).derive(file_key)


def open_sealed(key, workspace, name, data):
    header, _, rest = data.partition(b"\n---")
    mac, _, payload = rest.partition(b"\n")
    lines = header.decode("ascii").split("\n")
    if lines[0] != "age-encryption.org/v1":
        raise ValueError("not an age file")
    wrapped = None
    for number, line in enumerate(lines):
        words = line.split(" ")
        if words[:2] == ["->", "studio-seal"]:
            if wrapped:
                raise ValueError("two stanzas")
            wrapped = words[2], unpadded(words[3]), unpadded(lines[number + 1])
    version, nonce, body = wrapped
    bound_to = b"studio-seal/v1"
    for text in (workspace.encode(), name.encode()):
        bound_to += struct.pack(">H", len(text)) + text
    bound_to += bytes.fromhex(version)
    file_key = AESGCM(key).decrypt(nonce, body, bound_to)
    computed = hmac.digest(derive(file_key, b"", b"header"), header + b"\n---", hashlib.sha256)
    if not hmac.compare_digest(computed, unpadded(mac.decode("ascii").removeprefix(" "))):
        raise ValueError("the header was changed")
    stream = ChaCha20Poly1305(derive(file_key, payload[:16], b"payload"))
    payload, content = payload[16:], []
    starts = range(0, len(payload), CHUNK)
    if not starts:
        raise ValueError("there is no content")
    for number, start in enumerate(starts):
        last = start == starts[-1]
        chunk_nonce = number.to_bytes(11, "big") + bytes([last])
        content.append(stream.decrypt(chunk_nonce, payload[start : start + CHUNK], None))
    return b"".join(content)


try:
    with open(sys.argv[4], "rb") as file:
        opened = open_sealed(bytes.fromhex(sys.argv[1]), *sys.argv[2:4], file.read())
    sys.stdout.buffer.write(opened)
except (InvalidTag, ValueError, TypeError, IndexError) as error:
    sys.exit(f"refused: {error or type(error).__name__}")
