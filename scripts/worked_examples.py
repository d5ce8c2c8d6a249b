#!/usr/bin/env python3
"""The worked examples of the specifications, computed without any of our Rust.

Written from docs/envelope.md, docs/keys.md and the encoding of blue-audit's events alone, with PyPI's `cryptography`.
The unit tests of blue-envelope, blue-keys and blue-audit hold the bytes that it prints.

    python3 -m venv .venv && .venv/bin/pip install cryptography && .venv/bin/python scripts/worked_examples.py
"""

import hashlib
import struct
import uuid

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

SUITE = b"\x01"
ZERO_NONCE = bytes(12)


def lp(x: bytes) -> bytes:
    return struct.pack(">I", len(x)) + x


def expand(prk: bytes, info: bytes, length: int) -> bytes:
    return HKDFExpand(hashes.SHA256(), length, info).derive(prk)


def encode_address(*parts: str) -> bytes:
    return b"".join(lp(part.encode()) for part in parts)


def encode_attributes(version: int, attributes: dict[str, str | int | bool | bytes]) -> bytes:
    out = struct.pack(">QH", version, len(attributes))
    for name, value in sorted((name.encode(), value) for name, value in attributes.items()):
        match value:
            case bool():
                kind, encoded = 3, bytes([value])
            case int():
                kind, encoded = 2, str(value).encode()
            case str():
                kind, encoded = 1, value.encode()
            case _:
                kind, encoded = 4, value
        out += lp(name) + bytes([kind]) + lp(encoded)
    return out


def envelope_example() -> bytes:
    kek, kek_id, dek = bytes(range(32)), KEK_ID, bytes(range(0x80, 0xA0))
    address = encode_address("prod", "alice", "inbox", "note", "42")
    times = {"_c": VERSION, "_u": VERSION}
    attributes = encode_attributes(VERSION, {"status": "open", "_t": 1, **times})
    context = hashlib.sha256(b"bes1/context" + address + attributes).digest()
    okm = expand(dek, b"bes1/content" + SUITE + context, 64)
    content_key, commitment = okm[:32], okm[32:]
    wrap_key = expand(kek, b"bes1/wrap" + SUITE + commitment, 32)
    write_id = b"BES1" + SUITE + commitment
    wrapped = AESGCM(wrap_key).encrypt(ZERO_NONCE, dek, write_id + kek_id)
    content = AESGCM(content_key).encrypt(ZERO_NONCE, b'{"text":"hello"}', write_id)
    envelope = write_id + kek_id + wrapped + content
    show("address", address)
    show("attributes", attributes)
    show("context", context)
    show("content_key", content_key)
    show("wrap_key", wrap_key)
    show("envelope", envelope)
    return envelope


def wrapped_kek_example() -> None:
    umk, salt, kek = bytes(range(0x40, 0x60)), bytes(range(0xC0, 0xD0)), bytes(range(32))
    ctx = lp(b"prod") + lp(b"alice") + lp(b"records") + struct.pack(">I", 1) + KEK_ID
    key = expand(umk, b"bes1/umk-wrap" + salt + hashlib.sha256(ctx).digest(), 32)
    wrapped = AESGCM(key).encrypt(ZERO_NONCE, kek, b"bes1/kek\x01" + ctx)
    print("umk_id       local:" + expand(umk, b"bes1/umk-id", 16).hex())
    show("ctx", ctx)
    show("wrapped_kek", b"\x01" + salt + wrapped)


def event_example(envelope: bytes) -> None:
    fields = [
        uuid.UUID("0190163d-8694-739b-aea5-966c26f8ad90").bytes,
        b"2026-11-23T12:00:00.000001Z",
        b"4bf92f3577b34da6a3ce929d0e0e4736",
        b"00f067aa0ba902b7",
        b"encrypt",
        str(uuid.UUID(bytes=KEK_ID)).encode(),
        b"alice@example.org",
        b"success",
        b"",
        b"bes:prod/alice/inbox/note/a%2Fb%20%C3%A9",
        struct.pack(">Q", VERSION),
        hashlib.sha256(envelope[:37] + envelope[101:]).digest(),
        b"main",
        struct.pack(">Q", 0),
        bytes(32),
    ]
    event_bytes = b"bes1/event" + b"".join(map(lp, fields))
    show("event_bytes", event_bytes)
    show("event_hash", hashlib.sha256(event_bytes).digest())


def show(name: str, value: bytes) -> None:
    print(f"{name:12} {value.hex()}")


KEK_ID = bytes.fromhex("00112233445546778899aabbccddeeff")
VERSION = 1_700_000_000_000_000

if __name__ == "__main__":
    event_example_envelope = envelope_example()
    wrapped_kek_example()
    event_example(event_example_envelope)
