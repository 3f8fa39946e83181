"""Writes the test vectors beside it: vaults made without any code of envdrift, from the description of the format alone.

Needs Python 3.9+ with `cryptography`. Run it only to add a vector: the committed files are what old vaults look like.
"""

import base64
import hashlib
import json
import os
import pathlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HERE = pathlib.Path(__file__).parent


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def canonical(value):
    """RFC 8785 for the values that occur here: no floating point."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{canonical(value[k])}" for k in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def wrap(dek, vault_id, password, n, kind="password"):
    kdf = {"name": "scrypt", "N": n, "r": 8, "p": 1, "salt": b64u(os.urandom(32))}
    wrap_id = os.urandom(8).hex()
    salt = base64.urlsafe_b64decode(kdf["salt"] + "=")
    kek = hashlib.scrypt(password.encode(), salt=salt, n=n, r=8, p=1, dklen=32, maxmem=256 * n * 8)
    nonce = os.urandom(12)
    context = "envdrift-wrap/1" + vault_id + wrap_id + canonical(kdf)
    key = AESGCM(kek).encrypt(nonce, dek, context.encode())
    return {"id": wrap_id, "kind": kind, "kdf": kdf, "nonce": b64u(nonce), "key": b64u(key)}


def vault(passwords, entries, n=2**14, header_extra=None, payload_extra=None, gen=1, foreign_wrap=None):
    vault_id = os.urandom(16).hex()
    dek = os.urandom(32)
    hkdf_salt = os.urandom(32)
    ancestors = [os.urandom(32).hex() for _ in range(gen - 1)][:64]
    header = {
        "vault_id": vault_id,
        "gen": gen,
        "parents": ancestors[:1],
        "recent": ancestors,
        "device": os.urandom(16).hex(),
        "created": "2026-11-21T09:30:00.000Z",
        "modified": "2026-11-21T09:31:00.000Z",
        "cipher": "A256GCM",
        "hkdf_salt": b64u(hkdf_salt),
        "wraps": ([foreign_wrap] if foreign_wrap else []) + [wrap(dek, vault_id, one, n) for one in passwords],
        "crit": [],
        **(header_extra or {}),
    }
    payload = {
        "schema": 1,
        "vault_id": vault_id,
        "audit_secret": b64u(os.urandom(32)),
        "audit_salt": b64u(os.urandom(32)),
        "audit_keys": {},
        "audit_heads": {},
        "entries": entries,
        **(payload_extra or {}),
    }
    plain = canonical(payload).encode()
    plain += b" " * (-len(plain) % 4096)
    lines = b"ENVDRIFT-VAULT/1\n" + b64u(canonical(header).encode()).encode() + b"\n"
    key = HKDF(hashes.SHA256(), 32, hkdf_salt, b"envdrift vault payload/1").derive(dek)
    nonce = os.urandom(12)
    return lines + nonce + AESGCM(key).encrypt(nonce, plain, lines)


def version(gen, value=None, **more):
    content = {"deleted": True} if value is None else {"value": value}
    return {"gen": gen, "updated": "2026-11-21T09:30:00.000Z", "device": "ab" * 16, **content, **more}


def write(name, note, password, data, expected):
    """`expected`: per name the versions, current first; each the SHA-256 of its bytes, or null for a deletion."""
    document = {"note": note, "password": password, "vault": base64.b64encode(data).decode(), "expected": expected}
    (HERE / f"{name}.json").write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def sha(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()


write("empty", "no entries, the standard cost", "correct horse battery staple", vault(["correct horse battery staple"], {}, n=2**17), {})

binary = bytes([0, 255, 254, 128, 195, 40])
lines = "first line\nlínea segunda = \"x\" 🔑\r\n"
entries = {
    "myapp-production": {**version(3, "three"), "history": [version(2), version(1, "one")]},
    "constructor": {**version(1, lines), "history": []},
    "ключ 🔑": {**version(1, base64.b64encode(binary).decode(), encoding="base64"), "history": []},
    "myapp-retired": {**version(2), "history": [version(1, "old")]},
}
write(
    "entries",
    "text, bytes, history, deletions, names that are hard for JavaScript objects",
    "pässwörd with blanks ",
    vault(["pässwörd with blanks "], entries, gen=7),
    {
        "myapp-production": [sha("three"), None, sha("one")],
        "constructor": [sha(lines)],
        "ключ 🔑": [sha(binary)],
        "myapp-retired": [None, sha("old")],
    },
)

recovery = {"id": "00" * 8, "kind": "recovery", "words": 24}
write(
    "later",
    "fields, wraps and entry fields of a later version, none of them critical; the second password fits",
    "second",
    vault(
        ["first", "second"],
        {"myapp-production": {**version(1, "x" * 5000, note="kept"), "history": []}},
        header_extra={"comment": {"b": [1, None], "a": "ü"}},
        payload_extra={"conflicts": {"z": 1, "a": 2}},
        foreign_wrap=recovery,
    ),
    {"myapp-production": [sha("x" * 5000)]},
)
