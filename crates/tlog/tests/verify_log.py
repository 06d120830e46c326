"""Check an exported audit log with nothing of the studio's own code.

    python3 verify_log.py FOLDER [VKEY]
    python3 verify_log.py --proof FILE.tlog-proof ENTRY_FILE VKEY

Needs Python 3.9 and the package `cryptography`. Written from the texts of RFC 9162 and
c2sp.org/{signed-note,tlog-checkpoint,tlog-tiles,tlog-proof}. Exit code 0: intact, 1: not.
"""

import hashlib
import pathlib
import struct
import sys
from base64 import b64decode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Wrong(Exception):
    pass


def leaf(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(hashes):
    """Merkle tree hash, by the recursive definition of RFC 9162 2.1.1."""
    if not hashes:
        return hashlib.sha256().digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1 << (len(hashes) - 1).bit_length() - 1
    return node(root(hashes[:split]), root(hashes[split:]))


def open_checkpoint(note, vkey):
    name, key_id, key = vkey.strip().split("+", 2)
    key = b64decode(key, validate=True)
    computed_id = hashlib.sha256(name.encode() + b"\n" + key).hexdigest()[:8]
    if key[0] != 1 or computed_id != key_id:
        raise Wrong("the verifier key is not an Ed25519 key with its own id")
    text, _, lines = note.rpartition("\n\n")
    text += "\n"
    signed = False
    for line in lines.splitlines():
        dash, signer, signature = line.split(" ")
        signature = b64decode(signature, validate=True)
        if dash == "\u2014" and signer == name and signature[:4].hex() == key_id:
            Ed25519PublicKey.from_public_bytes(key[1:]).verify(signature[4:], text.encode())
            signed = True
    if not signed:
        raise Wrong("the checkpoint is not signed by " + name)
    origin, size, tree_root = text.split("\n")[:3]
    if origin != name:
        raise Wrong("the checkpoint is of another log")
    return int(size), b64decode(tree_root, validate=True)


def number_path(index, width):
    digits = str(index).rjust((len(str(index)) + 2) // 3 * 3, "0")
    parts = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    path = "/".join(["x" + part for part in parts[:-1]] + parts[-1:])
    return path if width == 256 else f"{path}.p/{width}"


def tiles(hashes):
    return [hashes[i : i + 256] for i in range(0, len(hashes), 256)]


def check_folder(folder, vkey):
    vkey = vkey or (folder / "log.vkey").read_text()
    size, signed_root = open_checkpoint((folder / "checkpoint").read_text("utf-8"), vkey)
    hashes = []
    for first in range(0, size, 256):
        width = min(256, size - first)
        path = folder / "tile/entries" / number_path(first // 256, width)
        bundle, at = path.read_bytes(), 0
        for _ in range(width):
            (length,) = struct.unpack_from(">H", bundle, at)
            entry = bundle[at + 2 : at + 2 + length]
            if len(entry) != length:
                raise Wrong(f"{path} ends inside an entry")
            hashes.append(leaf(entry))
            at += 2 + length
        if at != len(bundle):
            raise Wrong(f"{path} goes on after its last entry")
    if root(hashes) != signed_root:
        raise Wrong("the entries do not give the signed root")
    level, row, count = 0, hashes, 0
    while row:
        for index, tile in enumerate(tiles(row)):
            path = folder / "tile" / str(level) / number_path(index, len(tile))
            if path.read_bytes() != b"".join(tile):
                raise Wrong(f"{path} is not what the entries give")
            count += 1
        row = [root(tile) for tile in tiles(row) if len(tile) == 256]
        level += 1
    return f"intact: {size} entries, {count} tiles, root {signed_root.hex()}"


def check_proof(proof, entry, vkey):
    head, _, checkpoint = proof.partition("\n\n")
    lines = head.split("\n")
    if lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise Wrong("not a proof file")
    if lines[0].startswith("extra "):
        lines.pop(0)
    index = int(lines.pop(0).removeprefix("index "))
    size, signed_root = open_checkpoint(checkpoint, vkey)
    path = [b64decode(line, validate=True) for line in lines]

    def climb(index, size):
        """Root of a tree of this size, from the leaf and as much of the path as it needs."""
        if size == 1:
            return leaf(entry)
        split = 1 << (size - 1).bit_length() - 1
        if index < split:
            below = climb(index, split)
            return node(below, path.pop(0))
        below = climb(index - split, size - split)
        return node(path.pop(0), below)

    if not index < size or climb(index, size) != signed_root or path:
        raise Wrong("the entry is not at this place in the log")
    return f"intact: entry {index} of {size}"


def main(arguments):
    try:
        if arguments[0] == "--proof":
            proof, entry, vkey = (pathlib.Path(a) for a in arguments[1:4])
            print(check_proof(proof.read_text("utf-8"), entry.read_bytes(), vkey.read_text()))
        else:
            print(check_folder(pathlib.Path(arguments[0]), arguments[1] if arguments[1:] else None))
    except (Wrong, InvalidSignature, OSError, ValueError, IndexError, struct.error) as error:
        sys.exit(f"wrong: {error or type(error).__name__}")


main(sys.argv[1:])
