#!/usr/bin/env python3
"""Format 1 in Python: an independent reference implementation, and the test vectors that it makes.

Written from docs/envelope.md, docs/keys.md and docs/audit.md alone, with PyPI's `cryptography` for
AES-256-GCM, HKDF-Expand and Ed25519 and the standard library for the rest. The format comes first and can be
read by itself; after it come the form of the vectors (tests/vectors/README.md), the scenarios, and the
commands:

    generate [--out DIR]       writes envelope/, keys/, audit/ and SHA256SUMS: the same bytes at every run
    open                       JSON lines on stdin, each an envelope; on stdout its plaintext or its refusal
    seal --seed N --count N    JSON lines on stdout, each a random record, sealed, for others to open
    open-checkpoints           JSON lines on stdin, each a note and keys; on stdout its checkpoint or refusal
    sign-checkpoints --seed N --count N
                               JSON lines on stdout, each a random checkpoint, signed, for others to open

Every vector is verified, read back from its JSON, before it is written. This is not code to protect data
with: keys stay in memory, and nothing here is hardened against an observer.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import hmac
import json
import random
import re
import sys
import unicodedata
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

# ==================================================================================================
# Conventions (envelope.md, "Conventions")
# ==================================================================================================

ZERO_NONCE = bytes(12)  # 0^96
TAG_SIZE = 16
U64_MAX = 2**64 - 1


class Refused(Exception):
    """Input that a reader refuses; `error` is the class that the pages name."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


class InvalidInput(ValueError):
    """What no caller may pass: a name, a number or a value outside the format."""


def u16(number: int) -> bytes:
    return number.to_bytes(2, "big")


def u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def lp(data: bytes) -> bytes:
    """`lp(x)`: u32 length of x ‖ x."""
    return u32(len(data)) + data


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def hkdf_expand(prk: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869 §2.3 with SHA-256. There is no HKDF-Extract: every input key is uniformly random."""
    return HKDFExpand(algorithm=SHA256(), length=size, info=info).derive(prk)


def gcm_encrypt(key: bytes, aad: bytes, plaintext: bytes) -> bytes:
    """AES-256-GCM under the all-zero nonce: every key here encrypts exactly one message."""
    return AESGCM(key).encrypt(ZERO_NONCE, plaintext, aad)


def gcm_decrypt(key: bytes, aad: bytes, ciphertext: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(ZERO_NONCE, ciphertext, aad)
    except InvalidTag:
        raise Refused("Authentication") from None


@dataclass(frozen=True)
class Kek:
    """A key-encryption key and its 16-byte id."""

    id: bytes
    key: bytes


# ==================================================================================================
# Names, address and attributes (envelope.md, "Keys")
# ==================================================================================================

NAME = re.compile(r"[\x21\x22\x24-\x2e\x30-\x7e]{1,255}")  # 0x21–0x7E but # (0x23) and / (0x2F)
INTEGER = re.compile(r"0|-?[1-9][0-9]*")  # no plus, no leading zero, no -0
OUTSIDE_ATTRIBUTES = ("pk", "sk", "_e", "_v")


def utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidInput("text holds a lone surrogate") from None


def check_name(name: str) -> None:
    """A namespace, tenant, collection or kind: 1–255 bytes of 0x21–0x7E except # and /."""
    if not NAME.fullmatch(name):
        raise InvalidInput(f"not a name: {name[:60]!r}")


def check_id(id: str) -> None:
    """A record's id: 1–768 bytes of UTF-8 without control characters (category Cc), never normalised."""
    if not 1 <= len(utf8(id)) <= 768 or any(unicodedata.category(c) == "Cc" for c in id):
        raise InvalidInput(f"not an id: {id[:60]!r}")


def check_attribute_name(name: str) -> None:
    """An attribute's name: 1–65,535 bytes of UTF-8."""
    if not 1 <= len(utf8(name)) <= 65_535:
        raise InvalidInput(f"not an attribute name: {name[:60]!r}")


def check_callers_attribute_name(name: str) -> None:
    """The name of a caller's own attribute: none of the reserved `pk`, `sk`, `gsi1*`, `_*`."""
    check_attribute_name(name)
    if name in ("pk", "sk") or name.startswith(("gsi1", "_")):
        raise InvalidInput(f"a reserved attribute name: {name[:60]!r}")


@dataclass(frozen=True)
class Address:
    namespace: str
    tenant: str
    collection: str
    kind: str
    id: str

    def encode(self) -> bytes:
        """`address`: lp of each part."""
        for name in (self.namespace, self.tenant, self.collection, self.kind):
            check_name(name)
        check_id(self.id)
        parts = (self.namespace, self.tenant, self.collection, self.kind, self.id)
        return b"".join(lp(utf8(part)) for part in parts)


Value = str | int | bool | bytes
Attributes = Mapping[str, Value]  # in the order in which they are given, which means nothing


def encode_value(value: Value) -> tuple[int, bytes]:
    """An attribute's type byte and the bytes of its value."""
    match value:
        case str():
            return 0x01, utf8(value)
        case bool():  # before int, of which Python's bool is a subclass
            return 0x03, bytes([value])
        case int():
            if not -(2**63) <= value < 2**63:
                raise InvalidInput(f"not an i64: {value}")
            return 0x02, str(value).encode("ascii")
        case bytes():
            return 0x04, value


def encode_attribute(name: str, value: Value) -> bytes:
    """lp(name) ‖ type ‖ lp(value)."""
    check_attribute_name(name)
    if name in OUTSIDE_ATTRIBUTES:
        raise InvalidInput(f"{name!r} is never among the attributes")
    type_byte, encoded = encode_value(value)
    return lp(utf8(name)) + bytes([type_byte]) + lp(encoded)


def encode_attributes(version: int, attributes: Attributes) -> bytes:
    """`attributes`: u64 version ‖ u16 count ‖ each attribute, names strictly ascending by their bytes."""
    if len(attributes) > 65_535:
        raise InvalidInput(f"{len(attributes)} attributes")
    ascending = sorted(attributes.items(), key=lambda attribute: utf8(attribute[0]))
    entries = b"".join(encode_attribute(name, value) for name, value in ascending)
    return u64(version) + u16(len(ascending)) + entries


# ==================================================================================================
# Envelope (envelope.md, "Bytes" to "What is refused")
# ==================================================================================================

MAGIC = b"BES1"
SUITE = b"\x01"
OVERHEAD = 117


def derive_context(address: Address, version: int, attributes: Attributes) -> bytes:
    return sha256(b"bes1/context" + address.encode() + encode_attributes(version, attributes))


def derive_content_key(dek: bytes, context: bytes) -> tuple[bytes, bytes]:
    """content_key and commitment, 32 bytes each."""
    okm = hkdf_expand(dek, b"bes1/content" + SUITE + context, 64)
    return okm[:32], okm[32:]


def derive_wrap_key(kek: bytes, commitment: bytes) -> bytes:
    return hkdf_expand(kek, b"bes1/wrap" + SUITE + commitment, 32)


@dataclass(frozen=True)
class Sealed:
    """An envelope, and what was derived on the way to it."""

    context: bytes
    content_key: bytes
    commitment: bytes
    wrap_key: bytes
    envelope: bytes


def seal(
    kek: Kek, dek: bytes, address: Address, version: int, attributes: Attributes, plaintext: bytes
) -> Sealed:
    """Seals `plaintext` under the given DEK, which must be fresh for every write."""
    context = derive_context(address, version, attributes)
    content_key, commitment = derive_content_key(dek, context)
    wrap_key = derive_wrap_key(kek.key, commitment)
    write_id = MAGIC + SUITE + commitment
    header = write_id + kek.id
    wrapped_dek = gcm_encrypt(wrap_key, header, dek)
    content = gcm_encrypt(content_key, write_id, plaintext)
    return Sealed(context, content_key, commitment, wrap_key, header + wrapped_dek + content)


@dataclass(frozen=True)
class Parsed:
    """An envelope's regions; `write_id` is bytes 0–36 and `header` bytes 0–52."""

    write_id: bytes
    commitment: bytes
    header: bytes
    kek_id: bytes
    wrapped_dek: bytes
    content: bytes


def parse(envelope: bytes) -> Parsed:
    if len(envelope) < OVERHEAD or envelope[0:4] != MAGIC or envelope[4:5] != SUITE:
        raise Refused("Malformed")
    return Parsed(
        write_id=envelope[0:37],
        commitment=envelope[5:37],
        header=envelope[0:53],
        kek_id=envelope[37:53],
        wrapped_dek=envelope[53:101],
        content=envelope[101:],
    )


def unwrap_dek(kek: Kek, parsed: Parsed) -> bytes:
    if parsed.kek_id != kek.id:
        raise Refused("WrongKey")
    return gcm_decrypt(derive_wrap_key(kek.key, parsed.commitment), parsed.header, parsed.wrapped_dek)


def open_envelope(kek: Kek, address: Address, version: int, attributes: Attributes, envelope: bytes) -> bytes:
    """The five steps of "Opening", in their order."""
    parsed = parse(envelope)  # 1
    dek = unwrap_dek(kek, parsed)  # 2, 3
    content_key, commitment = derive_content_key(dek, derive_context(address, version, attributes))  # 4
    if not hmac.compare_digest(commitment, parsed.commitment):
        raise Refused("Authentication")
    return gcm_decrypt(content_key, parsed.write_id, parsed.content)  # 5


def rewrap(old: Kek, new: Kek, envelope: bytes) -> bytes:
    """Replaces bytes 37–100. The content is neither decrypted nor checked."""
    parsed = parse(envelope)
    dek = unwrap_dek(old, parsed)
    header = parsed.write_id + new.id
    return header + gcm_encrypt(derive_wrap_key(new.key, parsed.commitment), header, dek) + parsed.content


def content_digest(envelope: bytes) -> bytes:
    """SHA-256(bytes 0–36 ‖ bytes 101–end), which rewrapping leaves as it is."""
    return sha256(envelope[0:37] + envelope[101:])


# ==================================================================================================
# LocalFile's keys (keys.md, "LocalFile")
# ==================================================================================================

KEY_FILE = re.compile(rb"BES-UMK-1:([0-9a-f]{64})\n")
WRAPPED_KEK_FORMAT = b"\x01"
WRAPPED_KEK_SIZE = 65
U32_MAX = 2**32 - 1


def parse_key_file(file: bytes) -> bytes:
    """The UMK that a key file holds."""
    match = KEY_FILE.fullmatch(file)
    if match is None:
        raise Refused("Malformed")
    return bytes.fromhex(match[1].decode("ascii"))


def umk_id(umk: bytes) -> str:
    return "local:" + hkdf_expand(umk, b"bes1/umk-id", 16).hex()


@dataclass(frozen=True)
class KeyContext:
    namespace: str
    purpose: str
    tenant: str
    version: int
    kek_id: bytes

    def encode(self) -> bytes:
        """`ctx`: lp(namespace) ‖ lp(tenant) ‖ lp(purpose) ‖ u32 version ‖ kek_id."""
        check_name(self.namespace)
        if self.purpose == "records":
            check_name(self.tenant)
        elif self.purpose != "audit" or self.tenant:
            raise InvalidInput("purpose is records, or audit with an empty tenant")
        texts = (self.namespace, self.tenant, self.purpose)
        return b"".join(lp(utf8(text)) for text in texts) + u32(self.version) + self.kek_id


def encryption_context(context: KeyContext) -> dict[str, str]:
    """What AWS KMS is given as encryption context (keys.md, "AwsKms")."""
    context.encode()  # refuses what is no context
    names = lp(utf8(context.namespace)) + lp(utf8(context.tenant))
    return {
        "bes:kek": str(uuid.UUID(bytes=context.kek_id)),
        "bes:ns": context.namespace,
        "bes:purpose": context.purpose,
        "bes:tenant": sha256(b"bes1/tenant" + names).hex(),
        "bes:version": str(context.version),
    }


def derive_wrapping_key(umk: bytes, salt: bytes, ctx: bytes) -> bytes:
    return hkdf_expand(umk, b"bes1/umk-wrap" + salt + sha256(ctx), 32)


def wrap_kek(umk: bytes, salt: bytes, kek: bytes, context: KeyContext) -> bytes:
    ctx = context.encode()
    aad = b"bes1/kek" + WRAPPED_KEK_FORMAT + ctx
    return WRAPPED_KEK_FORMAT + salt + gcm_encrypt(derive_wrapping_key(umk, salt, ctx), aad, kek)


def unwrap_kek(umk: bytes, wrapped: bytes, context: KeyContext) -> bytes:
    if len(wrapped) != WRAPPED_KEK_SIZE or wrapped[0:1] != WRAPPED_KEK_FORMAT:
        raise Refused("Malformed")
    ctx = context.encode()
    aad = b"bes1/kek" + WRAPPED_KEK_FORMAT + ctx
    return gcm_decrypt(derive_wrapping_key(umk, wrapped[1:17], ctx), aad, wrapped[17:])


# ==================================================================================================
# Audit events (audit.md, "Event")
# ==================================================================================================

OPERATIONS = (
    "encrypt",
    "decrypt",
    "delete",
    "generate_kek",
    "unwrap_kek",
    "rotate",
    "rewrap",
    "rewrap_root",
    "retire",
    "shred",
    "lease",
    "open_chain",
    "adopt",
)
OUTCOMES = ("success", "failure", "denied")
TIMESTAMP = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})\.[0-9]{6}Z")
EVENT_LABEL = b"bes1/event"
EVENT_FIELDS = (
    "event_id",
    "timestamp",
    "trace_id",
    "span_id",
    "operation",
    "key_id",
    "principal",
    "outcome",
    "reason",
    "resource",
    "version",
    "content_digest",
    "chain",
    "sequence",
    "previous_hash",
)
EVENT_FIELD_SIZES = {  # in bytes; the other fields are text of any length
    "event_id": (16,),
    "timestamp": (27,),
    "version": (8,),
    "content_digest": (0, 32),
    "sequence": (8,),
    "previous_hash": (32,),
}
ZERO_HASH = bytes(32)


def is_timestamp(text: str) -> bool:
    """A date and time that exist, year 0000–9999 of the proleptic Gregorian calendar, no leap second."""
    match = TIMESTAMP.fullmatch(text)
    if match is None:
        return False
    year, month, day, hour, minute, second = (int(digits) for digits in match.groups())
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return 1 <= month <= 12 and 1 <= day <= days[month - 1] and hour < 24 and minute < 60 and second < 60


@dataclass(frozen=True)
class Event:
    event_id: bytes
    timestamp: str
    trace_id: str
    span_id: str
    operation: str
    key_id: str
    principal: str
    outcome: str
    reason: str
    resource: str
    version: int
    content_digest: bytes | None
    chain: str
    sequence: int
    previous_hash: bytes

    def fields(self) -> dict[str, bytes]:
        """Each field's bytes, in the order of the format."""
        encoded = {}
        for name in EVENT_FIELDS:
            match getattr(self, name):
                case str(text):
                    encoded[name] = utf8(text)
                case int(number):
                    encoded[name] = u64(number)
                case None:
                    encoded[name] = b""
                case data:
                    encoded[name] = data
        return encoded

    def encode(self) -> bytes:
        """`event_bytes`."""
        return EVENT_LABEL + b"".join(lp(field) for field in self.fields().values())

    def hash(self) -> bytes:
        """`event_hash`."""
        return sha256(self.encode())


def take_lp(data: bytes) -> tuple[bytes, bytes]:
    """What a length-prefixed value holds, and the bytes after it."""
    if len(data) < 4 or len(data) - 4 < (size := int.from_bytes(data[:4], "big")):
        raise Refused("Malformed")
    return data[4 : 4 + size], data[4 + size :]


def text_of(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("Malformed") from None


def decode_event(event_bytes: bytes) -> Event:
    """Reads an event, refusing what audit.md lists under "A reader refuses" and nothing else."""
    if not event_bytes.startswith(EVENT_LABEL):
        raise Refused("Malformed")
    rest = event_bytes[len(EVENT_LABEL) :]
    raw: dict[str, bytes] = {}
    for name in EVENT_FIELDS:
        raw[name], rest = take_lp(rest)
        if len(raw[name]) not in EVENT_FIELD_SIZES.get(name, (len(raw[name]),)):
            raise Refused("Malformed")
    if rest:
        raise Refused("Malformed")
    event = Event(
        event_id=raw["event_id"],
        timestamp=text_of(raw["timestamp"]),
        trace_id=text_of(raw["trace_id"]),
        span_id=text_of(raw["span_id"]),
        operation=text_of(raw["operation"]),
        key_id=text_of(raw["key_id"]),
        principal=text_of(raw["principal"]),
        outcome=text_of(raw["outcome"]),
        reason=text_of(raw["reason"]),
        resource=text_of(raw["resource"]),
        version=int.from_bytes(raw["version"], "big"),
        content_digest=raw["content_digest"] or None,
        chain=text_of(raw["chain"]),
        sequence=int.from_bytes(raw["sequence"], "big"),
        previous_hash=raw["previous_hash"],
    )
    known = event.operation in OPERATIONS and event.outcome in OUTCOMES
    if not known or not is_timestamp(event.timestamp):
        raise Refused("Malformed")
    return event


def resource_name(*parts: str) -> str:
    """`bes:namespace/tenant/collection/kind/id`, of which trailing parts may be absent."""
    return "bes:" + "/".join(quote(part, safe="") for part in parts)


# ==================================================================================================
# Audit segments (audit.md, "Segment")
# ==================================================================================================


@dataclass(frozen=True)
class Asked:
    """What a reader of a segment knows before it reads: the audit KEK at hand, and where it looks."""

    kek: Kek
    namespace: str
    chain: str
    first: int


@dataclass(frozen=True)
class Stored:
    """What is stored of a segment; its chain and first sequence are the item's key."""

    events: bytes
    count: int
    head_hash: bytes
    mac: bytes
    audit_kek_id: bytes


def derive_mac_key(audit_kek: bytes) -> bytes:
    return hkdf_expand(audit_kek, b"bes1/audit-mac", 32)


def segment_mac(asked: Asked, count: int, previous_hash: bytes, head_hash: bytes) -> bytes:
    message = b"bes1/segment" + asked.kek.id + lp(utf8(asked.namespace)) + lp(utf8(asked.chain))
    message += u64(asked.first) + u32(count) + previous_hash + head_hash
    return hmac.digest(derive_mac_key(asked.kek.key), message, "sha256")


def store_segment(asked: Asked, events: Sequence[Event]) -> Stored:
    """What a writer stores of these events, whatever they are."""
    head_hash = events[-1].hash()
    mac = segment_mac(asked, len(events), events[0].previous_hash, head_hash)
    return Stored(b"".join(lp(event.encode()) for event in events), len(events), head_hash, mac, asked.kek.id)


def read_segment(asked: Asked, stored: Stored) -> list[Event]:
    """The table of checks, in its order: each over all events before the next begins."""
    events, rest = [], stored.events
    while rest:
        event_bytes, rest = take_lp(rest)
        events.append(decode_event(event_bytes))
    if not events:
        raise Refused("Malformed")
    if stored.audit_kek_id != asked.kek.id:
        raise Refused("WrongKey")
    mac = segment_mac(asked, stored.count, events[0].previous_hash, stored.head_hash)
    if not hmac.compare_digest(mac, stored.mac):
        raise Refused("Mac")
    if len(events) != stored.count:
        raise Refused("Count")
    if any(event.chain != asked.chain for event in events):
        raise Refused("Foreign")
    if any(event.sequence != asked.first + place for place, event in enumerate(events)):
        raise Refused("Sequence")
    if any(event.previous_hash != before.hash() for before, event in pairwise(events)):
        raise Refused("Link")
    if events[-1].hash() != stored.head_hash:
        raise Refused("Head")
    return events


# ==================================================================================================
# Tombstones (keys.md, "Erased tenants")
# ==================================================================================================


@dataclass(frozen=True)
class Tombstone:
    """What a tombstone's mac is over, besides the audit KEK's id."""

    namespace: str
    tenant: str
    time: str
    kek_ids: bytes  # of the erased keys, 16 bytes each, ascending by version

    def message(self, audit_kek_id: bytes) -> bytes:
        texts = (self.namespace, self.tenant, self.time)
        return b"bes1/tombstone" + audit_kek_id + b"".join(lp(utf8(text)) for text in texts) + self.kek_ids


def derive_tombstone_mac_key(audit_kek: bytes) -> bytes:
    return hkdf_expand(audit_kek, b"bes1/tombstone-mac", 32)


def tombstone_mac(kek: Kek, tombstone: Tombstone) -> bytes:
    return hmac.digest(derive_tombstone_mac_key(kek.key), tombstone.message(kek.id), "sha256")


def made_tombstone(kek: Kek, tombstone: Tombstone, mac: bytes) -> bool:
    """Whether the mac fits: the audit KEK at hand made it, over exactly this."""
    return hmac.compare_digest(tombstone_mac(kek, tombstone), mac)


# ==================================================================================================
# Signed notes (audit.md, "Note")
# ==================================================================================================

ED25519 = b"\x01"
DASH = "\u2014 "
MOST_SIGNATURES = 100
LONGEST_NOTE = 16 * 1024 * 1024
WHITE_SPACE = re.compile("[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
CONTROL = re.compile("[\x00-\x1f]")
PUBLIC_KEY = re.compile(r"([^+]*)\+([^+]*)\+(.*)", re.DOTALL)


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def base64_bytes(text: str) -> bytes:
    """RFC 4648 §4, of which every byte string has one text."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused("Malformed") from None
    if base64_text(data) != text:
        raise Refused("Malformed")
    return data


def is_key_name(name: str) -> bool:
    return name != "" and "+" not in name and not WHITE_SPACE.search(name) and not CONTROL.search(name)


@dataclass(frozen=True)
class PublicKey:
    name: str
    key: bytes

    @property
    def id(self) -> bytes:
        return sha256(utf8(self.name) + b"\n" + ED25519 + self.key)[:4]

    def text(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64_text(ED25519 + self.key)}"

    def verifies(self, text: bytes, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True)
class PrivateKey:
    name: str
    seed: bytes

    @property
    def public(self) -> PublicKey:
        return PublicKey(
            self.name, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        )

    def text(self) -> str:
        return f"PRIVATE+KEY+{self.name}+{self.public.id.hex()}+{base64_text(ED25519 + self.seed)}"

    def sign(self, text: bytes) -> bytes:
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(text)

    def line(self, text: str) -> str:
        """The signature line for a text."""
        return signature_line(self.name, self.public.id + self.sign(utf8(text)))


def divided_key(text: str) -> tuple[str, str, bytes]:
    """Name, id as it is written, and the 32 bytes of a key, whose name and id are still to be checked."""
    match = PUBLIC_KEY.fullmatch(text)
    if match is None or len(data := base64_bytes(match[3])) != 33:
        raise Refused("Malformed")
    if data[:1] != ED25519:
        raise Refused("Type")
    if not is_key_name(match[1]):
        raise Refused("Name")
    return match[1], match[2], data[1:]


def read_public_key(text: str) -> PublicKey:
    name, id, key = divided_key(text)
    if PublicKey(name, key).id.hex() != id:
        raise Refused("Id")
    return PublicKey(name, key)


def read_private_key(text: str) -> PrivateKey:
    if not text.startswith("PRIVATE+KEY+"):
        raise Refused("Malformed")
    name, id, seed = divided_key(text.removeprefix("PRIVATE+KEY+"))
    if PrivateKey(name, seed).public.id.hex() != id:
        raise Refused("Id")
    return PrivateKey(name, seed)


def signature_line(name: str, data: bytes) -> str:
    return f"{DASH}{name} {base64_text(data)}\n"


def take_signature(line: str) -> tuple[str, bytes, bytes]:
    """A signature line's name, key id and signature."""
    if not line.startswith(DASH):
        raise Refused("Malformed")
    name, space, encoded = line.removeprefix(DASH).partition(" ")
    if not space or not is_key_name(name) or len(data := base64_bytes(encoded)) < 5:
        raise Refused("Malformed")
    return name, data[:4], data[4:]


def open_note(note: bytes, known: Sequence[PublicKey]) -> tuple[str, list[PublicKey]]:
    """The table of checks, in its order: the text, and the known keys that signed it."""
    if len(note) > LONGEST_NOTE or CONTROL.search(text_of(note).replace("\n", "")):
        raise Refused("Malformed")
    text, empty_line, signatures = text_of(note).rpartition("\n\n")
    if not empty_line or not signatures.endswith("\n"):
        raise Refused("Malformed")
    text += "\n"
    lines = [take_signature(line) for line in signatures.removesuffix("\n").split("\n")]
    if len(lines) > MOST_SIGNATURES:
        raise Refused("Malformed")
    signers: list[PublicKey] = []
    for name, id, signature in lines:
        for key in known:
            if (key.name, key.id) == (name, id):
                if not key.verifies(utf8(text), signature):
                    raise Refused("Signature")
                if key not in signers:
                    signers.append(key)
    if not signers:
        raise Refused("Unverified")
    return text, signers


# ==================================================================================================
# Checkpoints (audit.md, "Text" and "Order")
# ==================================================================================================

TABLE_ID = re.compile(r"[\x21-\x7e]{1,255}")
NUMBER = re.compile(r"0|[1-9][0-9]*")


@dataclass(frozen=True)
class Head:
    next: int
    hash: bytes


@dataclass(frozen=True)
class Checkpoint:
    namespace: str
    time: str
    table_id: str | None
    chains: Mapping[str, Head]
    shredded: Mapping[str, str]

    def lines(self) -> list[str]:
        lines = [f"time {self.time}"]
        if self.table_id is not None:
            lines.append(f"table {self.table_id}")
        for chain, head in sorted(self.chains.items()):  # ASCII sorts by its bytes
            lines.append(f"chain {chain} {head.next} {base64_text(head.hash)}")
        for tenant, time in sorted(self.shredded.items()):
            lines.append(f"shredded {tenant} {time}")
        return lines

    def text(self) -> str:
        events = sum(head.next for head in self.chains.values())
        return checkpoint_text(f"bes/{self.namespace}", str(events), self.lines())

    def key_name(self) -> str:
        return "bes/" + self.namespace.replace("%", "%25").replace("+", "%2B")


def lines_hash(lines: Sequence[str]) -> bytes:
    return sha256(b"bes1/checkpoint" + b"".join(lp(utf8(line)) for line in lines))


def checkpoint_text(origin: str, events: str, lines: Sequence[str]) -> str:
    """Of any lines, so that only what is wrong with them is."""
    return "".join(f"{line}\n" for line in (origin, events, base64_text(lines_hash(lines)), *lines))


def must(holds: bool) -> None:
    if not holds:
        raise Refused("Malformed")


def number_of(text: str) -> int:
    must(NUMBER.fullmatch(text) is not None and int(text) <= U64_MAX)
    return int(text)


def read_checkpoint(text: str) -> Checkpoint:
    """Reads a text line by line, as the grammar goes."""
    must(text.endswith("\n"))
    lines = text.removesuffix("\n").split("\n")
    must(len(lines) >= 4)
    origin, events, hash, *lines = lines
    must(origin.startswith("bes/") and NAME.fullmatch(origin.removeprefix("bes/")) is not None)
    must(base64_bytes(hash) == lines_hash(lines))

    words, *rest = [line.split(" ") for line in lines]
    must(len(words) == 2 and words[0] == "time" and is_timestamp(words[1]))
    time, table_id = words[1], None
    if rest and rest[0][0] == "table":
        words, *rest = rest
        must(len(words) == 2 and TABLE_ID.fullmatch(words[1]) is not None)
        table_id = words[1]
    chains: dict[str, Head] = {}
    while rest and rest[0][0] == "chain":
        words, *rest = rest
        must(len(words) == 4 and NAME.fullmatch(words[1]) is not None)
        must(not chains or max(chains) < words[1])
        head = Head(number_of(words[2]), base64_bytes(words[3]))
        must(len(head.hash) == 32 and (head.next == 0) == (head.hash == ZERO_HASH))
        chains[words[1]] = head
    shredded: dict[str, str] = {}
    while rest and rest[0][0] == "shredded":
        words, *rest = rest
        must(len(words) == 3 and NAME.fullmatch(words[1]) is not None and is_timestamp(words[2]))
        must(not shredded or max(shredded) < words[1])
        shredded[words[1]] = words[2]
    must(not rest)
    must(number_of(events) == sum(head.next for head in chains.values()))
    return Checkpoint(origin.removeprefix("bes/"), time, table_id, chains, shredded)


def check_order(before: Checkpoint, after: Checkpoint) -> None:
    """The table of checks, in its order."""
    if after.namespace != before.namespace:
        raise Refused("Namespace")
    if after.time <= before.time:  # the texts sort as the times do
        raise Refused("Time")
    for chain, head in sorted(before.chains.items()):
        if chain not in after.chains:
            raise Refused("Vanished")
        if after.chains[chain].next < head.next:
            raise Refused("Shorter")
        if after.chains[chain].next == head.next and after.chains[chain].hash != head.hash:
            raise Refused("Altered")
    if any(after.shredded.get(tenant) != time for tenant, time in before.shredded.items()):
        raise Refused("Shredded")


# ==================================================================================================
# The form of the vectors (tests/vectors/README.md, "Form")
# ==================================================================================================

Json = dict[str, Any]
HEX = re.compile(r"(?:[0-9a-f]{2})*")
DECIMAL = re.compile(r"0|[1-9][0-9]*")
LONGEST_ATTRIBUTES = 4_096

FIELDS = {
    "seal": "kek_id kek dek address version attributes plaintext expected",
    "open-refused": "kek_id kek address version attributes envelope error",
    "rewrap": "from to envelope expected address version attributes plaintext",
    "rewrap-refused": "from to envelope error",
    "name-refused": "part text",
    "key-file": "file expected",
    "key-file-refused": "file",
    "wrap": "umk salt kek context expected",
    "unwrap-refused": "umk context wrapped error",
    "encryption-context": "context expected",
    "tombstone": "audit_kek_id audit_kek namespace tenant time kek_ids expected",
    "tombstone-refused": "audit_kek_id audit_kek namespace tenant time kek_ids mac",
    "event": "event expected",
    "event-refused": "event_bytes",
    "segment": "audit_kek_id audit_kek namespace chain first events expected",
    "segment-refused": "audit_kek_id audit_kek namespace chain first stored error",
    "note-key": "private expected",
    "private-key-refused": "private error",
    "public-key-refused": "public error",
    "note": "text signatures known expected",
    "note-refused": "note known error",
    "checkpoint": "namespace time table_id chains shredded private expected",
    "checkpoint-refused": "text",
    "order": "before after",
    "order-refused": "before after error",
}
DIRECTORIES = {
    "envelope": ("seal", "open-refused", "rewrap", "rewrap-refused", "name-refused"),
    "keys": (
        "key-file",
        "key-file-refused",
        "wrap",
        "unwrap-refused",
        "encryption-context",
        "tombstone",
        "tombstone-refused",
    ),
    "audit": (
        "event",
        "event-refused",
        "segment",
        "segment-refused",
        "note-key",
        "private-key-refused",
        "public-key-refused",
        "note",
        "note-refused",
        "checkpoint",
        "checkpoint-refused",
        "order",
        "order-refused",
    ),
}


def members(value: Any, names: Sequence[str]) -> Json:
    """A JSON object of exactly these members."""
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        raise InvalidInput(f"not an object of {', '.join(names)}")
    return value


def text_from(value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput("not a text")
    return value


def bytes_from(value: Any, size: int | None = None) -> bytes:
    if not HEX.fullmatch(text_from(value)):
        raise InvalidInput(f"not lowercase hexadecimal: {value[:60]!r}")
    data = bytes.fromhex(value)
    if size is not None and len(data) != size:
        raise InvalidInput(f"{len(data)} bytes and not {size}")
    return data


def u64_from(value: Any) -> int:
    if not DECIMAL.fullmatch(text_from(value)) or int(value) > U64_MAX:
        raise InvalidInput(f"not the decimal text of a u64: {value[:60]!r}")
    return int(value)


def address_from(value: Any) -> Address:
    parts = members(value, ("namespace", "tenant", "collection", "kind", "id"))
    address = Address(**{part: text_from(text) for part, text in parts.items()})
    address.encode()  # refuses what is no name
    return address


def address_json(address: Address) -> Json:
    return {
        "namespace": address.namespace,
        "tenant": address.tenant,
        "collection": address.collection,
        "kind": address.kind,
        "id": address.id,
    }


def value_from(type_name: Any, value: Any) -> Value:
    match type_name, value:
        case "string", str():
            return value
        case "integer", str() if INTEGER.fullmatch(value):
            return int(value)
        case "bool", bool():
            return value
        case "bytes", str():
            return bytes_from(value)
    raise InvalidInput(f"no type and value of an attribute: {type_name!r}, {str(value)[:60]!r}")


def attributes_from(value: Any) -> Attributes:
    if not isinstance(value, list):
        raise InvalidInput("attributes are not a list")
    attributes: dict[str, Value] = {}
    for entry in value:
        attribute = members(entry, ("name", "type", "value"))
        name = text_from(attribute["name"])
        if name in attributes:
            raise InvalidInput(f"an attribute twice: {name[:60]!r}")
        attributes[name] = value_from(attribute["type"], attribute["value"])
        encode_attribute(name, attributes[name])  # refuses what is no attribute
    return attributes


def attribute_json(name: str, value: Value) -> Json:
    match value:
        case str():
            return {"name": name, "type": "string", "value": value}
        case bool():
            return {"name": name, "type": "bool", "value": value}
        case int():
            return {"name": name, "type": "integer", "value": str(value)}
        case bytes():
            return {"name": name, "type": "bytes", "value": value.hex()}


def attributes_json(attributes: Attributes) -> list[Json]:
    return [attribute_json(name, value) for name, value in attributes.items()]


def content_of_length(length: int) -> bytes:
    return bytes(i % 251 for i in range(length))


def content_from(value: Any) -> bytes:
    return content_of_length(value["length"]) if isinstance(value, dict) else bytes_from(value)


def kek_json(kek: Kek) -> Json:
    return {"kek_id": kek.id.hex(), "kek": kek.key.hex()}


def kek_from(value: Mapping[str, Any]) -> Kek:
    return Kek(bytes_from(value["kek_id"], 16), bytes_from(value["kek"], 32))


def expected_seal(
    kek: Kek,
    dek: bytes,
    address: Address,
    version: int,
    attributes: Attributes,
    plaintext: bytes,
    by_length: bool,
) -> Json:
    """`expected` of a `seal` scenario."""
    sealed = seal(kek, dek, address, version, attributes, plaintext)
    encoded, envelope = encode_attributes(version, attributes), sealed.envelope
    return {
        "address": address.encode().hex(),
        "attributes": encoded.hex()
        if len(encoded) <= LONGEST_ATTRIBUTES
        else {"length": len(encoded), "sha256": sha256(encoded).hex()},
        "context": sealed.context.hex(),
        "content_key": sealed.content_key.hex(),
        "commitment": sealed.commitment.hex(),
        "wrap_key": sealed.wrap_key.hex(),
        "content_digest": content_digest(envelope).hex(),
        "envelope": envelope.hex()
        if not by_length
        else {
            "head": envelope[:101].hex(),
            "tag": envelope[-TAG_SIZE:].hex(),
            "length": len(envelope),
            "sha256": sha256(envelope).hex(),
        },
    }


def context_json(context: KeyContext) -> Json:
    return {
        "namespace": context.namespace,
        "purpose": context.purpose,
        "tenant": context.tenant,
        "version": context.version,
        "kek_id": context.kek_id.hex(),
    }


def context_from(value: Json) -> KeyContext:
    return KeyContext(**{**value, "kek_id": bytes_from(value["kek_id"], 16)})


def event_json(event: Event) -> Json:
    shown = {name: getattr(event, name) for name in EVENT_FIELDS}
    digest = event.content_digest
    return {
        **shown,
        "event_id": str(uuid.UUID(bytes=event.event_id)),
        "version": str(event.version),
        "content_digest": None if digest is None else digest.hex(),
        "sequence": str(event.sequence),
        "previous_hash": event.previous_hash.hex(),
    }


def event_from(value: Json) -> Event:
    digest = value["content_digest"]
    return Event(
        **{
            **members(value, EVENT_FIELDS),
            "event_id": uuid.UUID(value["event_id"]).bytes,
            "version": u64_from(value["version"]),
            "content_digest": None if digest is None else bytes_from(digest, 32),
            "sequence": u64_from(value["sequence"]),
            "previous_hash": bytes_from(value["previous_hash"], 32),
        }
    )


def asked_json(asked: Asked) -> Json:
    return {
        "audit_kek_id": asked.kek.id.hex(),
        "audit_kek": asked.kek.key.hex(),
        "namespace": asked.namespace,
        "chain": asked.chain,
        "first": str(asked.first),
    }


def asked_from(value: Json) -> Asked:
    kek = Kek(bytes_from(value["audit_kek_id"], 16), bytes_from(value["audit_kek"], 32))
    return Asked(kek, value["namespace"], value["chain"], u64_from(value["first"]))


def stored_json(stored: Stored) -> Json:
    return {
        "events": stored.events.hex(),
        "count": stored.count,
        "head_hash": stored.head_hash.hex(),
        "mac": stored.mac.hex(),
        "audit_kek_id": stored.audit_kek_id.hex(),
    }


def stored_from(value: Json) -> Stored:
    data = {name: bytes_from(value[name]) for name in ("events", "head_hash", "mac", "audit_kek_id")}
    return Stored(count=value["count"], **data)


def tombstone_json(kek: Kek, tombstone: Tombstone) -> Json:
    return {
        "audit_kek_id": kek.id.hex(),
        "audit_kek": kek.key.hex(),
        "namespace": tombstone.namespace,
        "tenant": tombstone.tenant,
        "time": tombstone.time,
        "kek_ids": tombstone.kek_ids.hex(),
    }


def tombstone_from(value: Json) -> tuple[Kek, Tombstone]:
    for name in (value["namespace"], value["tenant"]):
        check_name(name)
    kek = Kek(bytes_from(value["audit_kek_id"], 16), bytes_from(value["audit_kek"], 32))
    kek_ids = bytes_from(value["kek_ids"])
    return kek, Tombstone(value["namespace"], value["tenant"], text_from(value["time"]), kek_ids)


def expected_tombstone(kek: Kek, tombstone: Tombstone) -> Json:
    return {"mac_key": derive_tombstone_mac_key(kek.key).hex(), "mac": tombstone_mac(kek, tombstone).hex()}


def expected_wrap(umk: bytes, salt: bytes, kek: bytes, context: KeyContext) -> Json:
    ctx = context.encode()
    wrapping_key = derive_wrapping_key(umk, salt, ctx)
    wrapped = wrap_kek(umk, salt, kek, context)
    return {"ctx": ctx.hex(), "wrapping_key": wrapping_key.hex(), "wrapped": wrapped.hex()}


def expected_event(event: Event) -> Json:
    return {"event_bytes": event.encode().hex(), "event_hash": event.hash().hex()}


def expected_segment(asked: Asked, events: Sequence[Event]) -> Json:
    stored = store_segment(asked, events)
    return {
        "events": stored.events.hex(),
        "count": stored.count,
        "previous_hash": events[0].previous_hash.hex(),
        "head_hash": stored.head_hash.hex(),
        "mac_key": derive_mac_key(asked.kek.key).hex(),
        "mac": stored.mac.hex(),
    }


def expected_note_key(private: PrivateKey) -> Json:
    public = private.public
    return {
        "name": public.name,
        "key_id": public.id.hex(),
        "seed": private.seed.hex(),
        "public_key": public.key.hex(),
        "public": public.text(),
    }


def signature_from(value: Json, text: str) -> str:
    """A signature line: as it is given, or by a private key."""
    if "line" in value:
        return text_from(members(value, ("line",))["line"]) + "\n"
    return read_private_key(members(value, ("private",))["private"]).line(text)


def expected_note(text: str, signatures: Sequence[Json], known: Sequence[str]) -> Json:
    note = text + "\n" + "".join(signature_from(signature, text) for signature in signatures)
    opened, signers = open_note(utf8(note), [read_public_key(key) for key in known])
    require(opened == text, "opens to another text")
    return {"note": note, "signers": [key.text() for key in signers]}


def checkpoint_json(checkpoint: Checkpoint) -> Json:
    chains = [
        {"chain": chain, "next": str(head.next), "head_hash": head.hash.hex()}
        for chain, head in checkpoint.chains.items()
    ]
    return {
        "namespace": checkpoint.namespace,
        "time": checkpoint.time,
        "table_id": checkpoint.table_id,
        "chains": chains,
        "shredded": [{"tenant": tenant, "time": time} for tenant, time in checkpoint.shredded.items()],
    }


def checkpoint_from(value: Json) -> Checkpoint:
    chains = [members(chain, ("chain", "next", "head_hash")) for chain in value["chains"]]
    shredded = [members(tenant, ("tenant", "time")) for tenant in value["shredded"]]
    return Checkpoint(
        namespace=value["namespace"],
        time=value["time"],
        table_id=value["table_id"],
        chains={of["chain"]: Head(u64_from(of["next"]), bytes_from(of["head_hash"], 32)) for of in chains},
        shredded={of["tenant"]: of["time"] for of in shredded},
    )


def expected_checkpoint(checkpoint: Checkpoint, private: PrivateKey) -> Json:
    text = checkpoint.text()
    return {"text": text, "note": text + "\n" + private.line(text)}


# ==================================================================================================
# Verification: each scenario, read back from its JSON, does what its kind says
# ==================================================================================================


def require(holds: bool, what: str) -> None:
    if not holds:
        raise AssertionError(what)


def require_refused(error: str, attempt: Callable[[], object]) -> None:
    try:
        attempt()
    except Refused as refused:
        require(refused.error == error, f"refused as {refused.error} and not as {error}")
    else:
        raise AssertionError(f"accepted and not refused as {error}")


def context_arguments(s: Json) -> tuple[Address, int, Attributes]:
    return address_from(s["address"]), u64_from(s["version"]), attributes_from(s["attributes"])


def verify_seal(s: Json) -> None:
    kek, dek, context = kek_from(s), bytes_from(s["dek"], 32), context_arguments(s)
    plaintext, by_length = content_from(s["plaintext"]), isinstance(s["plaintext"], dict)
    require(s["expected"] == expected_seal(kek, dek, *context, plaintext, by_length), "seals to other bytes")
    envelope = seal(kek, dek, *context, plaintext).envelope
    require(open_envelope(kek, *context, envelope) == plaintext, "opens to another plaintext")


def verify_open_refused(s: Json) -> None:
    envelope = bytes_from(s["envelope"])
    require_refused(s["error"], lambda: open_envelope(kek_from(s), *context_arguments(s), envelope))


def verify_rewrap(s: Json) -> None:
    old, new, context = kek_from(s["from"]), kek_from(s["to"]), context_arguments(s)
    before = bytes_from(s["envelope"])
    after, plaintext = rewrap(old, new, before), content_from(s["plaintext"])
    require(after == bytes_from(s["expected"]["envelope"]), "rewraps to other bytes")
    require(after[:37] + after[101:] == before[:37] + before[101:], "rewraps more than bytes 37–100")
    digest = bytes_from(s["expected"]["content_digest"])
    require(digest == content_digest(before) == content_digest(after), "has another content digest")
    require(open_envelope(old, *context, before) == plaintext, "opens to another plaintext before")
    require(open_envelope(new, *context, after) == plaintext, "opens to another plaintext after")


def verify_rewrap_refused(s: Json) -> None:
    envelope = bytes_from(s["envelope"])
    require_refused(s["error"], lambda: rewrap(kek_from(s["from"]), kek_from(s["to"]), envelope))


def verify_name_refused(s: Json) -> None:
    check = {"id": check_id, "attribute": check_callers_attribute_name}.get(s["part"], check_name)
    try:
        check(s["text"])
    except InvalidInput:
        return
    raise AssertionError("is a name")


def verify_key_file(s: Json) -> None:
    umk = parse_key_file(bytes_from(s["file"]))
    require(s["expected"] == {"umk": umk.hex(), "umk_id": umk_id(umk)}, "holds another key")


def verify_key_file_refused(s: Json) -> None:
    require_refused("Malformed", lambda: parse_key_file(bytes_from(s["file"])))


def verify_wrap(s: Json) -> None:
    umk, salt, kek = bytes_from(s["umk"], 32), bytes_from(s["salt"], 16), bytes_from(s["kek"], 32)
    context = context_from(s["context"])
    wrapped = wrap_kek(umk, salt, kek, context)
    require(s["expected"] == expected_wrap(umk, salt, kek, context), "wraps to other bytes")
    require(unwrap_kek(umk, wrapped, context) == kek, "unwraps to another key")


def verify_unwrap_refused(s: Json) -> None:
    umk, wrapped, context = bytes_from(s["umk"]), bytes_from(s["wrapped"]), context_from(s["context"])
    require_refused(s["error"], lambda: unwrap_kek(umk, wrapped, context))


def verify_encryption_context(s: Json) -> None:
    require(s["expected"] == encryption_context(context_from(s["context"])), "is another context")


def verify_tombstone(s: Json) -> None:
    kek, tombstone = tombstone_from(s)
    require(len(tombstone.kek_ids) % 16 == 0, "holds no whole number of ids")
    require(s["expected"] == expected_tombstone(kek, tombstone), "has another mac")
    require(made_tombstone(kek, tombstone, bytes_from(s["expected"]["mac"], 32)), "does not fit")


def verify_tombstone_refused(s: Json) -> None:
    require(not made_tombstone(*tombstone_from(s), bytes_from(s["mac"], 32)), "fits")


def verify_event(s: Json) -> None:
    event = event_from(s["event"])
    require(s["expected"] == expected_event(event), "has another encoding")
    require(decode_event(bytes_from(s["expected"]["event_bytes"])) == event, "reads back as another event")


def verify_event_refused(s: Json) -> None:
    require_refused("Malformed", lambda: decode_event(bytes_from(s["event_bytes"])))


def verify_segment(s: Json) -> None:
    asked, events = asked_from(s), [event_from(event) for event in s["events"]]
    require(s["expected"] == expected_segment(asked, events), "makes another segment")
    require(read_segment(asked, store_segment(asked, events)) == events, "reads back as other events")


def verify_segment_refused(s: Json) -> None:
    require_refused(s["error"], lambda: read_segment(asked_from(s), stored_from(s["stored"])))


def verify_note_key(s: Json) -> None:
    private = read_private_key(s["private"])
    require(private.text() == s["private"], "is written otherwise")
    require(s["expected"] == expected_note_key(private), "is another key")
    require(read_public_key(s["expected"]["public"]) == private.public, "has another public key")


def verify_private_key_refused(s: Json) -> None:
    require_refused(s["error"], lambda: read_private_key(s["private"]))


def verify_public_key_refused(s: Json) -> None:
    require_refused(s["error"], lambda: read_public_key(s["public"]))


def verify_note(s: Json) -> None:
    require(s["expected"] == expected_note(s["text"], s["signatures"], s["known"]), "makes another note")


def verify_note_refused(s: Json) -> None:
    known = [read_public_key(key) for key in s["known"]]
    require_refused(s["error"], lambda: open_note(bytes_from(s["note"]), known))


def verify_checkpoint(s: Json) -> None:
    checkpoint, private = checkpoint_from(s), read_private_key(s["private"])
    require(s["expected"] == expected_checkpoint(checkpoint, private), "has another text or note")
    text, signers = open_note(utf8(s["expected"]["note"]), [private.public])
    require(signers == [private.public] and private.name == checkpoint.key_name(), "is signed by another key")
    require(read_checkpoint(text) == checkpoint, "reads back as another checkpoint")


def verify_checkpoint_refused(s: Json) -> None:
    require_refused("Malformed", lambda: read_checkpoint(s["text"]))


def verify_order(s: Json) -> None:
    check_order(read_checkpoint(s["before"]), read_checkpoint(s["after"]))


def verify_order_refused(s: Json) -> None:
    before, after = read_checkpoint(s["before"]), read_checkpoint(s["after"])
    require_refused(s["error"], lambda: check_order(before, after))


VERIFIERS: dict[str, Callable[[Json], None]] = {
    "seal": verify_seal,
    "open-refused": verify_open_refused,
    "rewrap": verify_rewrap,
    "rewrap-refused": verify_rewrap_refused,
    "name-refused": verify_name_refused,
    "key-file": verify_key_file,
    "key-file-refused": verify_key_file_refused,
    "wrap": verify_wrap,
    "unwrap-refused": verify_unwrap_refused,
    "encryption-context": verify_encryption_context,
    "tombstone": verify_tombstone,
    "tombstone-refused": verify_tombstone_refused,
    "event": verify_event,
    "event-refused": verify_event_refused,
    "segment": verify_segment,
    "segment-refused": verify_segment_refused,
    "note-key": verify_note_key,
    "private-key-refused": verify_private_key_refused,
    "public-key-refused": verify_public_key_refused,
    "note": verify_note,
    "note-refused": verify_note_refused,
    "checkpoint": verify_checkpoint,
    "checkpoint-refused": verify_checkpoint_refused,
    "order": verify_order,
    "order-refused": verify_order_refused,
}

# ==================================================================================================
# Scenarios: how they are made
# ==================================================================================================


def scenario(kind: str, what: str, about: str, fields: Json) -> Json:
    shown = {field: fields[field] for field in FIELDS[kind].split()}
    return {"name": f"{kind}-{what}", "about": about, "kind": kind, **shown}


def secret(name: str, label: str, size: int = 32) -> bytes:
    """Bytes that look random: all of a scenario's keys, salts and ids come from its name."""
    return sha256(b"bes1/test-vectors" + lp(utf8(name)) + lp(utf8(label)))[:size]


def uuid_bytes(name: str, label: str, version: int, milliseconds: int | None = None) -> bytes:
    data = bytearray(secret(name, label, 16))
    if milliseconds is not None:
        data[0:6] = milliseconds.to_bytes(6, "big")
    data[6] = version << 4 | data[6] & 0x0F
    data[8] = 0x80 | data[8] & 0x3F
    return bytes(data)


def kek_of(name: str, label: str = "kek") -> Kek:
    return Kek(uuid_bytes(name, f"{label} id", 4), secret(name, label))


def flip(data: bytes, offset: int, bits: int = 0x01) -> bytes:
    """`data` with bits of one byte changed; a negative offset counts from the end."""
    changed = bytearray(data)
    changed[offset] ^= bits
    return bytes(changed)


# ==================================================================================================
# Scenarios: sealing
# ==================================================================================================

ADDRESS = Address("prod", "alice", "inbox", "note", "42")
VERSION = 1_700_000_000_000_000
SYSTEM: Attributes = {"_c": VERSION, "_t": 1, "_u": VERSION}


@dataclass(frozen=True)
class Record:
    """Everything that goes into an envelope."""

    kek: Kek
    dek: bytes
    address: Address
    version: int
    attributes: Attributes
    plaintext: bytes
    by_length: bool = False

    def seal(self) -> bytes:
        return seal(self.kek, self.dek, self.address, self.version, self.attributes, self.plaintext).envelope

    def open(self, envelope: bytes) -> bytes:
        return open_envelope(self.kek, self.address, self.version, self.attributes, envelope)

    def json(self) -> Json:
        """The fields that scenarios have in common, and `expected` of a `seal` scenario."""
        return {
            **kek_json(self.kek),
            "dek": self.dek.hex(),
            "address": address_json(self.address),
            "version": str(self.version),
            "attributes": attributes_json(self.attributes),
            "plaintext": {"length": len(self.plaintext)} if self.by_length else self.plaintext.hex(),
            "expected": expected_seal(
                self.kek,
                self.dek,
                self.address,
                self.version,
                self.attributes,
                self.plaintext,
                self.by_length,
            ),
        }


def record(name: str, **changes: Any) -> Record:
    """A plain record under keys of its own, but for the changes."""
    plain = Record(
        kek=kek_of(name),
        dek=secret(name, "dek"),
        address=ADDRESS,
        version=VERSION,
        attributes={**SYSTEM, "status": "open"},
        plaintext=b'{"text":"hello"}',
    )
    return replace(plain, **changes)


WORKED_EXAMPLE = Record(
    kek=Kek(bytes.fromhex("00112233445546778899aabbccddeeff"), bytes(range(0x00, 0x20))),
    dek=bytes(range(0x80, 0xA0)),
    address=ADDRESS,
    version=VERSION,
    attributes={**SYSTEM, "status": "open"},
    plaintext=b'{"text":"hello"}',
)
WORKED_EXAMPLE_BYTES = {  # envelope.md, "A worked example", as printed there
    "address": "0000000470726f6400000005616c69636500000005696e626f78000000046e6f7465000000023432",
    "attributes": "00060a24181e40000004"
    "000000025f63020000001031373030303030303030303030303030000000025f7402000000"
    "0131000000025f750200000010313730303030303030303030303030300000000673746174757301000000046f70656e",
    "context": "ba42ba1a0ead54da044d865b6cd407fcf3e6b0bd239fce8e21169fb4d2e5c115",
    "content_key": "f2ea34c87dd6a03870c27041a45d982d1351a59735e59af96491f58b0587d00c",
    "wrap_key": "29e07b598acd8bbb31800bbff2bc205f52b7f2daa6aa52dd604b09ca2212a7b2",
    "envelope": "4245533101"
    "7b04f0823e19c7a9cfdfbc9f32c47a49ca80a7693b1bf006fc2ebed3398a2ced"
    "00112233445546778899aabbccddeeff"
    "d02d00768ba42a5941782981003f760a502def1020020d8cc4fee38baaef606cfb764bde5a4eafd3eb5020bc7eb5c611"
    "c200d1aa4acdb898e87931dfceebd7c39e46397a35a500d12d36600043ada5f5",
}

SIZES = (0, 1, 15, 16, 17, 31, 32, 33, 1_024)
LONG_SIZES = {
    65_536: "Content of 64 KiB.",
    400_000: "Content of 400,000 bytes.",
    409_483: "Content whose envelope is 409,600 bytes, DynamoDB's limit of a whole item.",
}
VERSIONS = {
    0: "The lowest version.",
    1: "Version 1.",
    2**53 + 1: "The first version that a double cannot hold.",
    2**63 - 1: "The highest version that an i64 can hold.",
    2**63: "The first version that an i64 cannot hold.",
    U64_MAX: "The highest version.",
}
VISIBLE = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in "#/")  # all that a name may have

# (what, about, what the record has instead of the plain one's)
SEAL: list[tuple[str, str, Json]] = [
    ("content-json", "JSON content with nested and escaped text.",
     {"plaintext": '{"a":[1,null,"é\\n"]}'.encode()}),
    ("content-every-byte", "Binary content of all 256 byte values.", {"plaintext": bytes(range(256))}),
    ("content-zeros", "Content of 48 zero bytes shows the keystream itself.", {"plaintext": bytes(48)}),
    ("content-an-envelope", "Content that is itself an envelope.", {"plaintext": WORKED_EXAMPLE.seal()}),
    ("keys-all-zero", "KEK, its id and DEK of zero bits.",
     {"kek": Kek(bytes(16), bytes(32)), "dek": bytes(32)}),
    ("keys-all-ones", "KEK, its id and DEK of one bits.",
     {"kek": Kek(b"\xff" * 16, b"\xff" * 32), "dek": b"\xff" * 32}),
    ("keys-the-same", "A DEK that equals the KEK: the labels keep them apart.", {
        "kek": Kek(bytes(range(16)), bytes(range(32))), "dek": bytes(range(32))}),
    # Names.
    ("names-of-one-byte", "Every part of the address is one byte, at the edges of what is allowed.", {
        "address": Address("!", '"', "$", "~", "0")}),
    ("names-maximal", "Every part of the address is as long as it may be.", {
        "address": Address("n" * 255, "t" * 255, "c" * 255, "k" * 255, "i" * 768)}),
    ("names-all-characters", "Every character that a name may have, quotes and backslash among them.", {
        "address": Address(VISIBLE, VISIBLE, VISIBLE, VISIBLE, "42")}),
    ("names-all-equal", "Every part of the address is the same text.",
     {"address": Address("a", "a", "a", "a", "a")}),
    ("names-like-paths", "Names of dots, which mean nothing here.",
     {"address": Address("..", ".", "..", ".", "..")}),
    ("names-in-capitals", "Names are not folded to lower case.", {
        "address": Address("PROD", "ALICE", "INBOX", "NOTE", "42")}),
    ("boundary-tenant-ab-collection-c", "One of a pair whose parts would run together without lengths.", {
        "address": replace(ADDRESS, tenant="ab", collection="c")}),
    ("boundary-tenant-a-collection-bc",
     "The other of a pair whose parts would run together without lengths.", {
        "address": replace(ADDRESS, tenant="a", collection="bc")}),
    ("boundary-kind-note4-id-2", "Kind and id whose concatenation is the plain record's.", {
        "address": replace(ADDRESS, kind="note4", id="2")}),
    # Ids.
    ("id-hash-and-slash", "An id may have # and /, which names may not.",
     {"address": replace(ADDRESS, id="#/a#b/c//#")}),
    ("id-spaces", "Spaces in an id count, at its ends as well.",
     {"address": replace(ADDRESS, id="  two  words ")}),
    ("id-percent", "Percent signs in an id are not an encoding.",
     {"address": replace(ADDRESS, id="100%25%2Fa")}),
    ("id-emoji", "An id of emoji joined by U+200D.", {
        "address": replace(ADDRESS, id="\U0001f469\u200d\U0001f52c \U0001f3f3\ufe0f\u200d\U0001f308")}),
    ("id-precomposed", "café with U+00E9: ids are never normalised.",
     {"address": replace(ADDRESS, id="caf\u00e9")}),
    ("id-combining", "café with U+0301: ids are never normalised.",
     {"address": replace(ADDRESS, id="cafe\u0301")}),
    ("id-right-to-left", "Hebrew and Arabic with directional overrides.", {
        "address": replace(ADDRESS, id="\u05e9\u05dc\u05d5\u05dd\u202e\u0633\u0644\u0627\u0645\u202c")}),
    ("id-format-characters", "Invisible characters that are not controls (category Cf, Zl, Zp, Zs).", {
        "address": replace(ADDRESS, id="\ufeff\u00ad\u200b\u2028\u2029\u00a0\u2066")}),
    ("id-noncharacters", "Noncharacters and private use are Unicode text too.", {
        "address": replace(ADDRESS, id="\ufdd0\ufffe\uffff\ue000\U0010ffff")}),
    ("id-beside-the-controls", "The neighbours of the control characters: U+0020, U+007E, U+00A0.", {
        "address": replace(ADDRESS, id="\u0020\u007e\u00a0")}),
    ("id-encoded-sizes", "Characters at the edges of one to four bytes of UTF-8.", {
        "address": replace(ADDRESS, id="\u007e\u00a0\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff")}),
    ("id-maximal-3-byte-characters", "768 bytes in 256 characters.",
     {"address": replace(ADDRESS, id="\u3042" * 256)}),
    ("id-maximal-4-byte-characters", "768 bytes in 192 characters.", {
        "address": replace(ADDRESS, id="\U0001f600" * 192)}),
    # Attributes.
    ("attributes-none", "No attributes at all: a count of zero.", {"attributes": {}}),
    ("attributes-system-only", "The store's own attributes alone.", {"attributes": SYSTEM}),
    ("attribute-string", "One string.", {"attributes": {"status": "open"}}),
    ("attribute-string-empty", "An empty string is present.", {"attributes": {"status": ""}}),
    ("attribute-string-unicode", "A string of many scripts, unnormalised.", {
        "attributes": {"title": "e\u0301\u00e9 \u4e2d\u6587 \u05d0 \U0001f600 \u202e"}}),
    ("attribute-string-controls", "A value may have what an id may not.", {
        "attributes": {"raw": "\u0000\t\r\n\u001f\u007f\u0085\u009f"}}),
    ("attribute-string-65536-bytes", "A value longer than 16 bits can count.",
     {"attributes": {"long": "v" * 65_536}}),
    ("attribute-integer-0", "The integer 0.", {"attributes": {"n": 0}}),
    ("attribute-integer-1", "The integer 1.", {"attributes": {"n": 1}}),
    ("attribute-integer-minus-1", "The integer -1.", {"attributes": {"n": -1}}),
    ("attribute-integer-10", "An integer with a trailing zero.", {"attributes": {"n": 10}}),
    ("attribute-integer-above-2-53", "An integer that a double cannot hold.",
     {"attributes": {"n": 2**53 + 1}}),
    ("attribute-integer-min", "The lowest i64.", {"attributes": {"n": -(2**63)}}),
    ("attribute-integer-max", "The highest i64.", {"attributes": {"n": 2**63 - 1}}),
    ("attribute-bool-true", "The bool true.", {"attributes": {"flag": True}}),
    ("attribute-bool-false", "The bool false.", {"attributes": {"flag": False}}),
    ("attribute-bytes", "Bytes that are not UTF-8.", {"attributes": {"blob": bytes.fromhex("00ff80c0")}}),
    ("attribute-bytes-empty", "Empty bytes are present, and are not an empty string.",
     {"attributes": {"status": b""}}),
    ("attributes-every-type", "Every type, and the values that are empty.", {
        "attributes": {"s": "text", "s0": "", "i": -7, "t": True, "f": False, "b": b"\x00\x01", "b0": b""}}),
    ("attributes-alike", "Values that look alike and differ in type.", {
        "attributes": {"a": "1", "b": 1, "c": b"1", "d": True, "e": b"\x01", "f": "true"}}),
    ("attributes-100", "A hundred attributes, whose names do not sort as numbers do.", {
        "attributes": {f"a{i}": i for i in range(100)}}),
    ("attributes-256", "A count that takes both its bytes.",
     {"attributes": {f"a{i:03}": i % 2 == 0 for i in range(256)}}),
    ("attributes-given-unsorted", "The order in which attributes are given means nothing.", {
        "attributes": {"status": "open", "_u": VERSION, "b": 2, "_c": VERSION, "a": 1, "_t": 1}}),
    ("attributes-sorted-by-case", "Capitals sort before underscore, and underscore before small letters.", {
        "attributes": {"a": 1, "Z": 2, "z": 3, "A": 4, "_t": 2}}),
    ("attributes-sorted-by-prefix",
     "A name sorts before those it begins, and length alone decides nothing.", {
        "attributes": {"b": 1, "aa": 2, "a": 3, "aaa": 4, "ab": 5, "a ": 6}}),
    ("attributes-sorted-by-bytes-not-utf-16", "U+FFFD sorts before U+10000, which UTF-16 would reverse.", {
        "attributes": {"\U00010000": 1, "\ufffd": 2, "\ue000": 3, "\ud7ff": 4}}),
    ("attributes-sorted-by-bytes-not-signed", "Bytes are unsigned: é sorts after z.", {
        "attributes": {"\u00e9": 1, "z": 2, "\u007f": 3, "\u0080": 4}}),
    ("attributes-sorted-not-collated", "Digits, precomposed and combining letters, sorted by their bytes.",
     {
        "attributes": {"e\u0301": 1, "\u00e9": 2, "e": 3, "f": 4, "10": 5, "9": 6}}),
    ("attribute-name-of-one-byte", "The shortest name.", {"attributes": {"a": ""}}),
    ("attribute-name-65535-bytes", "The longest name.", {"attributes": {"n" * 65_535: 1}}),
    ("attribute-name-odd-characters", "An attribute's name may have what an address's may not.", {
        "attributes": {"#": 1, "a/b": 2, " ": 3, "\U0001f600": 4, "a.b[0]": 5, ":v": 6, '"\\': 7}}),
    ("attribute-name-controls", "An attribute's name may have control characters.", {
        "attributes": {"a\u0000b": 1, "\n": 2, "\u0085": 3}}),
    ("attribute-names-almost-reserved", "Names that are like the reserved ones and are not reserved.", {
        "attributes": {"PK": 1, "Sk": 2, "pk2": 3, "gsi": 4, "gsi2pk": 5, "GSI1PK": 6, "a_e": 7, " _v": 8}}),
    ("attribute-boundary-name-ab-value-c", "One of a pair whose name and value would run together.", {
        "attributes": {"ab": "c"}}),
    ("attribute-boundary-name-a-value-bc", "The other of a pair whose name and value would run together.", {
        "attributes": {"a": "bc"}}),
]  # fmt: skip


def seal_scenarios() -> Iterator[Json]:
    expected = WORKED_EXAMPLE.json()["expected"]
    require(WORKED_EXAMPLE_BYTES.items() <= expected.items(), "not the bytes of the worked example")
    yield scenario("seal", "worked-example", "The worked example of docs/envelope.md.", WORKED_EXAMPLE.json())

    rows: list[tuple[str, str, Json]] = list(SEAL)
    for size in SIZES:
        content = content_of_length(size)
        rows.append((f"size-{size}", f"Content of {size:,} byte{'s' * (size != 1)}.", {"plaintext": content}))
    for size, about in LONG_SIZES.items():
        rows.append((f"size-{size}", about, {"plaintext": content_of_length(size), "by_length": True}))
    for version, about in VERSIONS.items():
        rows.append((f"version-{version}", about, {"version": version}))
    for what, about, changes in rows:
        yield scenario("seal", what, about, record(f"seal-{what}", **changes).json())


# ==================================================================================================
# Scenarios: opening refused
# ==================================================================================================

BODY = content_of_length(16)
TYPED: Attributes = {**SYSTEM, "status": "open", "count": 1, "flag": True, "blob": b"1"}
REGIONS = {  # of an envelope of 16 bytes of content
    "magic": (0, 4, "Malformed"),
    "suite": (4, 5, "Malformed"),
    "commitment": (5, 37, "Authentication"),
    "kek-id": (37, 53, "WrongKey"),
    "wrapped-dek": (53, 85, "Authentication"),
    "wrapped-dek-tag": (85, 101, "Authentication"),
    "content": (101, 117, "Authentication"),
    "content-tag": (117, 133, "Authentication"),
}


def refusable(name: str, **changes: Any) -> Record:
    """A record of 16 bytes of content and every type of attribute, to which something will be done."""
    return record(name, **{"attributes": TYPED, "plaintext": BODY, **changes})


def open_refused(
    what: str,
    about: str,
    error: str,
    make: Callable[[Record], bytes] = Record.seal,
    asked: Callable[[Record], Record] = lambda r: r,
    sealed: Mapping[str, Any] | None = None,
) -> Json:
    """What `make` made of a record is opened as `asked` and refused; the record as sealed opens."""
    r = refusable(f"open-refused-{what}", **(sealed or {}))
    require(r.open(r.seal()) == r.plaintext, "does not open")
    fields = {**asked(r).json(), "envelope": make(r).hex(), "error": error}
    return scenario("open-refused", what, about, fields)


def with_dek(r: Record, label: str = "other dek") -> Record:
    """A second write of the same record: the same KEK and context, another DEK."""
    return replace(r, dek=secret(r.dek.hex(), label))


def elsewhere(r: Record) -> Record:
    """The same keys and content at another address."""
    return replace(r, address=replace(r.address, id="43"))


def forge(
    r: Record,
    *,
    suite: bytes = SUITE,
    context: bytes | None = None,
    content_info: Callable[[bytes, bytes], bytes] = lambda suite, context: b"bes1/content" + suite + context,
    wrap_info: Callable[[bytes, bytes], bytes] = lambda suite, commitment: b"bes1/wrap" + suite + commitment,
    okm: Callable[[bytes], bytes] = lambda okm: okm,
    prk: Callable[[bytes], bytes] = lambda key: key,
    wrapped: bytes | None = None,
    wrap_aad: Callable[[bytes], bytes] = lambda header: header,
    content_aad: Callable[[bytes], bytes] = lambda head: head[:37],
    wrap_key_size: int = 32,
    content_key_size: int = 32,
    wrap_nonce: bytes = ZERO_NONCE,
    content_nonce: bytes = ZERO_NONCE,
) -> bytes:
    """Seals as `seal` does, consistently, but for the one thing that an argument changes."""
    context = context or derive_context(r.address, r.version, r.attributes)
    keys = okm(hkdf_expand(prk(r.dek), content_info(suite, context), 64))
    content_key, commitment = keys[:32], keys[32:]
    header = MAGIC + suite + commitment + r.kek.id
    wrap_key = hkdf_expand(prk(r.kek.key), wrap_info(suite, commitment), 32)
    head = header + AESGCM(wrap_key[:wrap_key_size]).encrypt(wrap_nonce, wrapped or r.dek, wrap_aad(header))
    return head + AESGCM(content_key[:content_key_size]).encrypt(
        content_nonce, r.plaintext, content_aad(head)
    )


def context_with(
    r: Record, label: bytes = b"bes1/context", address: bytes = b"", attributes: bytes = b""
) -> bytes:
    """A context of which one part may be encoded otherwise."""
    address = address or r.address.encode()
    return sha256(label + address + (attributes or encode_attributes(r.version, r.attributes)))


def attributes_as_given(r: Record, version: bytes | None = None, count: bytes | None = None) -> bytes:
    entries = [encode_attribute(name, value) for name, value in r.attributes.items()]
    return (version or u64(r.version)) + (u16(len(entries)) if count is None else count) + b"".join(entries)


def attributes_ascending(r: Record, **changes: Any) -> bytes:
    ascending = dict(sorted(r.attributes.items(), key=lambda attribute: utf8(attribute[0])))
    return attributes_as_given(replace(r, attributes=ascending), **changes)


def address_without_lengths(r: Record) -> bytes:
    a = r.address
    return utf8(a.namespace + a.tenant + a.collection + a.kind + a.id)


def extract(key: bytes) -> bytes:
    """HKDF-Extract without salt, which the format does not use."""
    return hmac.digest(bytes(32), key, "sha256")


def flip_commitment(offset: int) -> Callable[[bytes], bytes]:
    return lambda okm: okm[:32] + flip(okm[32:], offset)


def another_kek(r: Record) -> Kek:
    return Kek(r.kek.id, secret(r.kek.key.hex(), "other kek"))


# (what, about, error, how the envelope is made)
ENVELOPES_REFUSED: list[tuple[str, str, str, Callable[[Record], bytes]]] = [
    ("byte-appended", "One byte more at the end.", "Authentication", lambda r: r.seal() + b"\x00"),
    ("byte-prepended", "One byte more at the beginning.", "Malformed", lambda r: b"\x00" + r.seal()),
    ("twice", "The envelope twice over.", "Authentication", lambda r: r.seal() * 2),
    ("zeros", "As many zero bytes.", "Malformed", lambda r: bytes(len(r.seal()))),
    ("hexadecimal", "The envelope as hexadecimal text.", "Malformed", lambda r: r.seal().hex().encode()),
    ("magic-lower-case", "The magic in small letters.", "Malformed", lambda r: b"bes1" + r.seal()[4:]),
    ("magic-bes2", "The magic of a format that does not exist.", "Malformed",
     lambda r: b"BES2" + r.seal()[4:]),
    ("magic-reversed", "The magic in little-endian order.", "Malformed", lambda r: b"1SEB" + r.seal()[4:]),
    ("suite-00", "Suite 0x00.", "Malformed", lambda r: r.seal()[:4] + b"\x00" + r.seal()[5:]),
    ("suite-02", "Suite 0x02, which is reserved.", "Malformed",
     lambda r: r.seal()[:4] + b"\x02" + r.seal()[5:]),
    ("suite-ff", "Suite 0xff.", "Malformed", lambda r: r.seal()[:4] + b"\xff" + r.seal()[5:]),
    ("suite-02-throughout", "Suite 0x02, derived and authenticated as such.", "Malformed",
     lambda r: forge(r, suite=b"\x02")),
    ("kek-id-of-another-key", "The kek_id names another key.", "WrongKey",
     lambda r: r.seal()[:37] + kek_of("another").id + r.seal()[53:]),
    ("kek-id-zeros", "A kek_id of zeros is another key's.", "WrongKey",
     lambda r: r.seal()[:37] + bytes(16) + r.seal()[53:]),
    ("sealed-under-another-kek", "A KEK of the same id that is another key.", "Authentication",
     lambda r: replace(r, kek=another_kek(r)).seal()),
    # Parts of other envelopes.
    ("commitment-of-another-write", "The commitment of another write of the same record.", "Authentication",
     lambda r: r.seal()[:5] + with_dek(r).seal()[5:37] + r.seal()[37:]),
    ("commitment-zeros", "A commitment of zeros.", "Authentication",
     lambda r: r.seal()[:5] + bytes(32) + r.seal()[37:]),
    ("wrapped-dek-of-another-write", "The wrapped DEK of another write under the same KEK.",
     "Authentication", lambda r: r.seal()[:53] + with_dek(r).seal()[53:101] + r.seal()[101:]),
    ("wrapped-dek-zeros", "A wrapped DEK of zeros.", "Authentication",
     lambda r: r.seal()[:53] + bytes(48) + r.seal()[101:]),
    ("head-of-another-write", "Bytes 0–100 of another write of the same record, which unwrap.",
     "Authentication", lambda r: with_dek(r).seal()[:101] + r.seal()[101:]),
    ("write-id-of-another-write", "Bytes 0–36 of another write of the same record.", "Authentication",
     lambda r: with_dek(r).seal()[:37] + r.seal()[37:]),
    ("head-of-another-record", "Bytes 0–100 of another record with the same DEK.", "Authentication",
     lambda r: elsewhere(r).seal()[:101] + r.seal()[101:]),
    ("content-of-another-record", "The content of another record with the same DEK.", "Authentication",
     lambda r: r.seal()[:101] + elsewhere(r).seal()[101:]),
    ("another-record", "The whole envelope of another record with the same DEK.", "Authentication",
     lambda r: elsewhere(r).seal()),
    ("content-zeros", "Content and tag of zeros.", "Authentication", lambda r: r.seal()[:101] + bytes(32)),
    ("content-tag-96-bits", "A content tag of 96 bits, filled with zeros.", "Authentication",
     lambda r: r.seal()[:-4] + bytes(4)),
    ("content-tag-moved", "The content's tag before its ciphertext.", "Authentication",
     lambda r: r.seal()[:101] + r.seal()[-16:] + r.seal()[101:-16]),
    ("content-removed", "The content's ciphertext removed, its tag left.", "Authentication",
     lambda r: r.seal()[:101] + r.seal()[-16:]),
    ("wrapped-dek-tag-96-bits", "A tag of the wrapped DEK of 96 bits, filled with zeros.", "Authentication",
     lambda r: r.seal()[:97] + bytes(4) + r.seal()[101:]),
    # Whoever holds the keys can make these: the commitment alone, or the exact derivation, refuses them.
    ("commitment-to-another-dek", "All is consistent, but the wrapped DEK is not the one committed to.",
     "Authentication", lambda r: forge(r, wrapped=with_dek(r).dek)),
    ("dek-replaced",
     "Another DEK, correctly wrapped, encrypts the content; the commitment is to the first.",
     "Authentication", lambda r: forge(
         with_dek(r), okm=lambda okm: okm[:32] + r.seal()[5:37])),
    ("commitment-to-another-context",
     "The commitment is to another address, the content is encrypted for this one.",
     "Authentication", lambda r: forge(r, okm=lambda okm: okm[:32] + elsewhere(r).seal()[5:37])),
    ("commitment-first-byte", "All is consistent, but for one bit in the commitment's first byte.",
     "Authentication", lambda r: forge(r, okm=flip_commitment(0))),
    ("commitment-middle-byte", "All is consistent, but for one bit in the commitment's middle.",
     "Authentication", lambda r: forge(r, okm=flip_commitment(16))),
    ("commitment-last-byte", "All is consistent, but for one bit in the commitment's last byte.",
     "Authentication", lambda r: forge(r, okm=flip_commitment(-1))),
    ("commitment-zeros-throughout", "All is consistent, but the commitment is zeros.", "Authentication",
     lambda r: forge(r, okm=lambda okm: okm[:32] + bytes(32))),
    ("content-key-zeros", "The commitment holds, but the content is encrypted under zeros.",
     "Authentication", lambda r: forge(r, okm=lambda okm: bytes(32) + okm[32:])),
    ("keys-exchanged", "Commitment first, content_key second.", "Authentication",
     lambda r: forge(r, okm=lambda okm: okm[32:] + okm[:32])),
    ("label-of-context", "The context's label in another case.", "Authentication",
     lambda r: forge(r, context=context_with(r, label=b"bes1/Context"))),
    ("label-of-content", "The content's label in another case.", "Authentication",
     lambda r: forge(r, content_info=lambda suite, context: b"bes1/Content" + suite + context)),
    ("label-of-wrap", "The wrap key's label with one byte more.", "Authentication",
     lambda r: forge(r, wrap_info=lambda suite, commitment: b"bes1/wrap2" + suite + commitment)),
    ("label-terminated", "The content's label with a terminating zero.", "Authentication",
     lambda r: forge(r, content_info=lambda suite, context: b"bes1/content\x00" + suite + context)),
    ("suite-not-in-content-key", "content_key and commitment derived without the suite.", "Authentication",
     lambda r: forge(r, content_info=lambda suite, context: b"bes1/content" + context)),
    ("suite-not-in-wrap-key", "wrap_key derived without the suite.", "Authentication",
     lambda r: forge(r, wrap_info=lambda suite, commitment: b"bes1/wrap" + commitment)),
    ("commitment-not-in-wrap-key", "wrap_key derived without the commitment.", "Authentication",
     lambda r: forge(r, wrap_info=lambda suite, commitment: b"bes1/wrap" + suite)),
    ("extracted", "HKDF-Extract before each HKDF-Expand.", "Authentication",
     lambda r: forge(r, prk=extract)),
    ("content-aad-empty", "Content encrypted without aad.", "Authentication",
     lambda r: forge(r, content_aad=lambda head: b"")),
    ("content-aad-whole-head", "Content encrypted with bytes 0–100 as aad.", "Authentication",
     lambda r: forge(r, content_aad=lambda head: head)),
    ("content-aad-header", "Content encrypted with bytes 0–52 as aad.", "Authentication",
     lambda r: forge(r, content_aad=lambda head: head[:53])),
    ("wrap-aad-empty", "DEK wrapped without aad.", "Authentication",
     lambda r: forge(r, wrap_aad=lambda header: b"")),
    ("wrap-aad-without-kek-id", "DEK wrapped with bytes 0–36 as aad.", "Authentication",
     lambda r: forge(r, wrap_aad=lambda header: header[:37])),
    ("content-nonce-1", "Content encrypted with nonce 1.", "Authentication",
     lambda r: forge(r, content_nonce=bytes(11) + b"\x01")),
    ("wrap-nonce-1", "DEK wrapped with nonce 1.", "Authentication",
     lambda r: forge(r, wrap_nonce=bytes(11) + b"\x01")),
    ("content-aes-128", "Content encrypted with AES-128 under half of content_key.", "Authentication",
     lambda r: forge(r, content_key_size=16)),
    ("wrap-aes-128", "DEK wrapped with AES-128 under half of wrap_key.", "Authentication",
     lambda r: forge(r, wrap_key_size=16)),
    ("address-without-lengths", "A context whose address is joined without lengths.", "Authentication",
     lambda r: forge(r, context=context_with(r, address=address_without_lengths(r)))),
    ("attributes-unsorted", "A context whose attributes stand in another order.", "Authentication",
     lambda r: forge(r, context=context_with(r, attributes=attributes_as_given(r)))),
    ("attributes-not-counted", "A context whose attributes are not counted.", "Authentication",
     lambda r: forge(r, context=context_with(r, attributes=attributes_ascending(r, count=b"")))),
    ("attributes-counted-in-32-bits", "A context whose attributes are counted in 32 bits.",
     "Authentication",
     lambda r: forge(r, context=context_with(
         r, attributes=attributes_ascending(r, count=u32(len(TYPED)))))),
    ("version-little-endian", "A context whose version is little-endian.", "Authentication",
     lambda r: forge(r, context=context_with(
         r, attributes=attributes_ascending(r, version=u64(VERSION)[::-1])))),
    ("attributes-not-in-context", "A context of the address alone.", "Authentication",
     lambda r: forge(r, context=sha256(b"bes1/context" + r.address.encode()))),
    # Two things wrong: the first check in order decides.
    ("short-of-another-key", "Too short and of another key: parsing comes first.", "Malformed",
     lambda r: r.seal()[:37] + kek_of("another").id + r.seal()[53:116]),
    ("magic-of-another-key", "Another magic and another key: parsing comes first.", "Malformed",
     lambda r: b"BES2" + r.seal()[4:37] + kek_of("another").id + r.seal()[53:]),
    ("suite-of-another-key", "Suite 0x02 and another key: parsing comes first.", "Malformed",
     lambda r: b"BES1\x02" + r.seal()[5:37] + kek_of("another").id + r.seal()[53:]),
    ("damaged-of-another-key", "Another key and everything after it damaged: the key comes first.",
     "WrongKey", lambda r: r.seal()[:5] + bytes(32) + kek_of("another").id + bytes(80)),
]  # fmt: skip

NFC_ID = replace(ADDRESS, id="caf\u00e9")
# (what, about, the address sealed, the address asked for)
ADDRESSES_REFUSED: list[tuple[str, str, Address, Address]] = [
    ("namespace", "Asked for in another namespace.", ADDRESS, replace(ADDRESS, namespace="test")),
    ("tenant", "Asked for by another tenant.", ADDRESS, replace(ADDRESS, tenant="bob")),
    ("collection", "Asked for in another collection.", ADDRESS, replace(ADDRESS, collection="outbox")),
    ("kind", "Asked for as another kind.", ADDRESS, replace(ADDRESS, kind="task")),
    ("id", "Asked for under another id.", ADDRESS, replace(ADDRESS, id="43")),
    ("case", "Names differ by case.", ADDRESS, replace(ADDRESS, tenant="Alice")),
    ("id-space", "Ids differ by a space at the end.", ADDRESS, replace(ADDRESS, id="42 ")),
    ("id-normalised", "Ids that are the same when normalised differ.", NFC_ID,
     replace(ADDRESS, id="cafe\u0301")),
    ("id-leading-zero", "Ids that are the same number differ.", ADDRESS, replace(ADDRESS, id="042")),
    ("parts-exchanged", "Tenant and collection exchanged.", ADDRESS,
     replace(ADDRESS, tenant="inbox", collection="alice")),
    ("boundary-moved", "One letter moved from the tenant to the collection.",
     replace(ADDRESS, tenant="ab", collection="c"), replace(ADDRESS, tenant="a", collection="bc")),
    ("boundary-moved-to-id", "One letter moved from the kind to the id.",
     ADDRESS, replace(ADDRESS, kind="not", id="e42")),
]  # fmt: skip


def without(attributes: Attributes, name: str) -> Attributes:
    return {other: value for other, value in attributes.items() if other != name}


# (what, about, the attributes sealed, the attributes asked with)
ATTRIBUTES_REFUSED: list[tuple[str, str, Attributes, Attributes]] = [
    ("added", "An attribute added.", TYPED, {**TYPED, "extra": "x"}),
    ("added-empty", "An empty attribute added.", TYPED, {**TYPED, "extra": ""}),
    ("added-to-none", "An attribute added where there was none.", {}, {"extra": "x"}),
    ("added-reserved", "An attribute with a reserved name added.", TYPED, {**TYPED, "_x": "x"}),
    ("added-of-an-index", "An index's attribute added.", TYPED, {**TYPED, "gsi1pk": "x"}),
    ("removed", "An attribute removed.", TYPED, without(TYPED, "status")),
    ("removed-empty", "An empty attribute removed.", {**TYPED, "extra": ""}, TYPED),
    ("removed-all", "All attributes removed.", TYPED, {}),
    ("removed-created", "The store's own _c removed.", TYPED, without(TYPED, "_c")),
    ("renamed", "An attribute renamed.", TYPED, {**without(TYPED, "status"), "Status": "open"}),
    ("renamed-normalised", "A name that is the same when normalised.", {"\u00e9": 1}, {"e\u0301": 1}),
    ("value-string", "A string changed.", TYPED, {**TYPED, "status": "done"}),
    ("value-string-case", "A string's case changed.", TYPED, {**TYPED, "status": "Open"}),
    ("value-string-emptied", "A string emptied.", TYPED, {**TYPED, "status": ""}),
    ("value-integer", "An integer changed.", TYPED, {**TYPED, "count": 2}),
    ("value-integer-sign", "An integer's sign changed.", TYPED, {**TYPED, "count": -1}),
    ("value-integer-above-2-53", "Integers that are the same double differ.", {"n": 2**53},
     {"n": 2**53 + 1}),
    ("value-bool", "A bool changed.", TYPED, {**TYPED, "flag": False}),
    ("value-bytes", "Bytes changed.", TYPED, {**TYPED, "blob": b"2"}),
    ("value-created", "The time of creation changed.", TYPED, {**TYPED, "_c": VERSION + 1}),
    ("value-payload-type", "The payload's type changed.", TYPED, {**TYPED, "_t": 2}),
    ("values-exchanged", "The values of two attributes exchanged.", {"a": "1", "b": "2"},
     {"a": "2", "b": "1"}),
    ("type-string-to-integer", "The string 1 became the integer 1.", {"a": "1"}, {"a": 1}),
    ("type-integer-to-string", "The integer 1 became the string 1.", TYPED, {**TYPED, "count": "1"}),
    ("type-string-to-bytes", "A string became the bytes of its UTF-8.", TYPED,
     {**TYPED, "status": b"open"}),
    ("type-bytes-to-string", "Bytes became the string that they encode.", TYPED, {**TYPED, "blob": "1"}),
    ("type-bytes-to-integer", "The byte 0x31 became the integer 1.", TYPED, {**TYPED, "blob": 1}),
    ("type-bool-to-bytes", "The bool true became the byte 1.", TYPED, {**TYPED, "flag": b"\x01"}),
    ("type-bool-to-string", "The bool true became the string U+0001.", TYPED, {**TYPED, "flag": "\u0001"}),
    ("type-empty-string-to-bytes", "An empty string became empty bytes.", {"a": ""}, {"a": b""}),
    ("boundary-moved", "One letter moved from the name to the value.", {"ab": "c"}, {"a": "bc"}),
]  # fmt: skip


def open_refused_scenarios() -> Iterator[Json]:
    cuts = {edge + step for start, end, _ in REGIONS.values() for edge in (start, end) for step in (-1, 0, 1)}
    for length in sorted(cut for cut in cuts if 0 <= cut < OVERHEAD + len(BODY)):
        error = "Malformed" if length < OVERHEAD else "Authentication"
        about = f"Only the first {length} bytes of {OVERHEAD + len(BODY)}."
        yield open_refused(f"truncated-to-{length}", about, error, lambda r: r.seal()[:length])
    about = "An envelope of no content that lacks its last byte."
    yield open_refused(
        "truncated-empty", about, "Malformed", lambda r: r.seal()[:-1], sealed={"plaintext": b""}
    )

    for place in range(4):
        about = f"Byte {place} of the magic is zero."
        zeroed = slice(place + 1, None)
        yield open_refused(
            f"magic-byte-{place}", about, "Malformed", lambda r: r.seal()[:place] + b"\x00" + r.seal()[zeroed]
        )
    for region, (start, end, error) in REGIONS.items():
        about = f"The first bit of {region.replace('-', ' ')} flipped."
        yield open_refused(f"bit-first-of-{region}", about, error, lambda r: flip(r.seal(), start, 0x80))
        about = f"The last bit of {region.replace('-', ' ')} flipped."
        yield open_refused(f"bit-last-of-{region}", about, error, lambda r: flip(r.seal(), end - 1, 0x01))

    require(forge(WORKED_EXAMPLE) == WORKED_EXAMPLE.seal(), "forging nothing gives other bytes than sealing")
    for what, about, error, make in ENVELOPES_REFUSED:
        yield open_refused(what, about, error, make)

    about = "The KEK at hand has another id."
    yield open_refused(
        "kek-at-hand-of-another-id", about, "WrongKey", asked=lambda r: replace(r, kek=kek_of("another"))
    )
    about = "The KEK at hand is the same key under another id."
    yield open_refused(
        "kek-under-another-id", about, "WrongKey",
        asked=lambda r: replace(r, kek=Kek(flip(r.kek.id, -1), r.kek.key)),
    )  # fmt: skip
    about = "The KEK at hand has the right id and is another key."
    yield open_refused(
        "kek-at-hand-another", about, "Authentication", asked=lambda r: replace(r, kek=another_kek(r))
    )
    about = "The KEK at hand differs by one bit."
    yield open_refused(
        "kek-at-hand-bit-flipped", about, "Authentication",
        asked=lambda r: replace(r, kek=Kek(r.kek.id, flip(r.kek.key, -1))),
    )  # fmt: skip

    for what, about, put, sought in ADDRESSES_REFUSED:
        yield open_refused(
            f"address-{what}", about, "Authentication",
            asked=lambda r: replace(r, address=sought), sealed={"address": put},
        )  # fmt: skip
    versions = {
        "plus-1": (VERSION, VERSION + 1, "The version after."),
        "minus-1": (VERSION, VERSION - 1, "The version before."),
        "zero": (VERSION, 0, "Version 0 in place of the version sealed."),
        "byte-order": (1, 2**56, "The version with its bytes reversed."),
        "low-32-bits": (VERSION, VERSION % 2**32, "The version cut to 32 bits."),
        "same-double": (2**53 + 1, 2**53, "Versions that are the same double differ."),
        "wrapped": (U64_MAX, 0, "The version after the highest is not the lowest."),
    }
    for what, (version, wanted, about) in versions.items():
        yield open_refused(
            f"version-{what}", about, "Authentication",
            asked=lambda r: replace(r, version=wanted), sealed={"version": version},
        )  # fmt: skip
    for what, about, given, found in ATTRIBUTES_REFUSED:
        yield open_refused(
            f"attribute-{what}", about, "Authentication",
            asked=lambda r: replace(r, attributes=found), sealed={"attributes": given},
        )  # fmt: skip


# ==================================================================================================
# Scenarios: rewrapping, and names refused
# ==================================================================================================


def rewrap_scenarios() -> Iterator[Json]:
    rows: list[tuple[str, str, Json]] = [
        ("plain", "From one KEK to another.", {}),
        ("no-content", "An envelope without content.", {"plaintext": b""}),
        (
            "every-attribute-type",
            "Attributes of every type, which rewrapping does not see.",
            {"attributes": TYPED},
        ),
        ("large", "Content of 20,000 bytes.", {"plaintext": content_of_length(20_000), "by_length": True}),
        ("unicode-id", "An id outside ASCII.", {"address": replace(ADDRESS, id="\u05d0\U0001f600e\u0301")}),
        ("version-max", "The highest version.", {"version": U64_MAX}),
    ]
    same_key = "To the KEK that it is under, which changes nothing."
    same_id = "To another KEK under the same id."
    rows += [("same-kek", same_key, {}), ("same-kek-id", same_id, {})]
    for what, about, changes in rows:
        r = record(f"rewrap-{what}", **changes)
        new = {"same-kek": r.kek, "same-kek-id": another_kek(r)}.get(
            what, kek_of(f"rewrap-{what}", "new kek")
        )
        after = rewrap(r.kek, new, r.seal())
        require((after == r.seal()) == (what == "same-kek"), "rewrapping changes bytes if the KEK changes")
        fields = {
            **r.json(),
            "from": kek_json(r.kek),
            "to": kek_json(new),
            "envelope": r.seal().hex(),
            "expected": {"envelope": after.hex(), "content_digest": content_digest(after).hex()},
        }
        yield scenario("rewrap", what, about, fields)


def rewrap_refused_scenarios() -> Iterator[Json]:
    def refused(
        what: str,
        about: str,
        error: str,
        make: Callable[[Record], bytes] = Record.seal,
        old: Callable[[Record], Kek] = lambda r: r.kek,
    ) -> Json:
        r = refusable(f"rewrap-refused-{what}")
        new = kek_of(f"rewrap-refused-{what}", "new kek")
        fields = {"from": kek_json(old(r)), "to": kek_json(new), "envelope": make(r).hex(), "error": error}
        return scenario("rewrap-refused", what, about, fields)

    yield refused("wrong-kek-id", "The old KEK has another id.", "WrongKey", old=lambda r: kek_of("another"))
    yield refused(
        "wrong-kek", "The old KEK has the right id and is another key.", "Authentication", old=another_kek
    )
    done = "Already under the new KEK."
    yield refused(
        "done-already", done, "WrongKey",
        lambda r: rewrap(r.kek, kek_of("rewrap-refused-done-already", "new kek"), r.seal()),
    )  # fmt: skip
    for length in (0, 4, 5, 37, 53, 101, 116):
        yield refused(
            f"truncated-to-{length}",
            f"Only the first {length} bytes.",
            "Malformed",
            lambda r: r.seal()[:length],
        )
    for region, (start, end, error) in REGIONS.items():
        if region.startswith("content"):
            continue  # which rewrapping does not check
        about = f"The first bit of {region.replace('-', ' ')} flipped."
        yield refused(f"bit-first-of-{region}", about, error, lambda r: flip(r.seal(), start, 0x80))
        about = f"The last bit of {region.replace('-', ' ')} flipped."
        yield refused(f"bit-last-of-{region}", about, error, lambda r: flip(r.seal(), end - 1, 0x01))
    about = "The wrapped DEK of another write under the same KEK."
    yield refused(
        "wrapped-dek-of-another-write", about, "Authentication",
        lambda r: r.seal()[:53] + with_dek(r).seal()[53:101] + r.seal()[101:],
    )  # fmt: skip
    about = "DEK wrapped without the kek_id in its aad."
    yield refused(
        "aad-without-kek-id", about, "Authentication", lambda r: forge(r, wrap_aad=lambda header: header[:37])
    )


def name_refused_scenarios() -> Iterator[Json]:
    names = {
        "empty": ("", "An empty name."),
        "256-bytes": ("n" * 256, "A name of 256 bytes, one too many."),
        "hash": ("a#b", "The separator #."),
        "slash": ("a/b", "The separator /."),
        "space": ("a b", "A space, 0x20."),
        "space-at-end": ("ab ", "A space at the end, which is not trimmed."),
        "newline-at-end": ("ab\n", "A newline at the end."),
        "tab": ("a\tb", "A tab."),
        "nul": ("a\u0000b", "A zero byte."),
        "escape": ("a\u001bb", "A control character."),
        "delete": ("a\u007fb", "0x7F, the first byte above those allowed."),
        "latin": ("caf\u00e9", "A letter outside ASCII."),
        "no-break-space": ("a\u00a0b", "A space outside ASCII."),
        "fullwidth": ("\uff41\uff42", "Letters that look like ASCII."),
        "emoji": ("\U0001f600", "An emoji."),
    }
    for part in ("namespace", "tenant", "collection", "kind"):
        for what, (text, about) in names.items():
            yield scenario("name-refused", f"{part}-{what}", about, {"part": part, "text": text})

    ids = {
        "empty": ("", "An empty id."),
        "769-bytes": ("i" * 769, "An id of 769 bytes, one too many."),
        "769-bytes-in-257-characters": ("\u3042" * 256 + "a", "Bytes count, not characters: 769 in 257."),
        "772-bytes-in-193-characters": ("\U0001f600" * 193, "Bytes count, not characters: 772 in 193."),
        **{
            f"control-{ord(c):04x}": (f"a{c}b", f"The control character U+{ord(c):04X}.")
            for c in "\u0000\u0001\u0009\u000a\u000d\u001f\u007f\u0080\u0085\u009f"
        },
        "control-alone": ("\u0000", "A control character and nothing else."),
        "newline-at-end": ("42\n", "A newline at the end."),
    }
    for what, (text, about) in ids.items():
        yield scenario("name-refused", f"id-{what}", about, {"part": "id", "text": text})

    attributes = {
        "empty": ("", "An empty name of an attribute."),
        "65536-bytes": ("n" * 65_536, "A name of 65,536 bytes, one too many."),
        "65537-bytes-in-21846-characters": ("\u3042" * 21_845 + "aa", "Bytes count, not characters: 65,537."),
        **{
            f"reserved-{name}": (name, "A reserved name.")
            for name in "pk sk gsi1 gsi1pk gsi1sk gsi12 _ _c _e _t _u _v _x __a".split()
        },
    }
    for what, (text, about) in attributes.items():
        yield scenario("name-refused", f"attribute-{what}", about, {"part": "attribute", "text": text})


# ==================================================================================================
# Scenarios: keys
# ==================================================================================================


def key_file_scenarios() -> Iterator[Json]:
    keys = {
        "plain": (secret("key-file-plain", "umk"), "A key file."),
        "counting": (bytes(range(32)), "A key of the bytes 0 to 31."),
        "zeros": (bytes(32), "A key of zeros is a key."),
        "ones": (b"\xff" * 32, "A key of one bits, letters alone."),
        "digits": (b"\x12" * 32, "A key whose digits are all decimal."),
    }
    for what, (umk, about) in keys.items():
        file = b"BES-UMK-1:" + umk.hex().encode() + b"\n"
        expected = {"umk": umk.hex(), "umk_id": umk_id(umk)}
        yield scenario("key-file", what, about, {"file": file.hex(), "expected": expected})

    digits = b"0123456789abcdef" * 4
    files = {
        "empty": (b"", "An empty file."),
        "newline-alone": (b"\n", "A newline and nothing else."),
        "prefix-alone": (b"BES-UMK-1:", "The prefix and nothing else."),
        "no-digits": (b"BES-UMK-1:\n", "No digits."),
        "one-digit-in-capitals": (b"BES-UMK-1:" + digits[:-1] + b"F\n", "One hexadecimal digit in capitals."),
        "digits-in-capitals": (b"BES-UMK-1:" + digits.upper() + b"\n", "Hexadecimal digits in capitals."),
        "no-newline": (b"BES-UMK-1:" + digits, "No newline at the end."),
        "crlf": (b"BES-UMK-1:" + digits + b"\r\n", "Carriage return and newline."),
        "cr": (b"BES-UMK-1:" + digits + b"\r", "Carriage return in place of newline."),
        "two-newlines": (b"BES-UMK-1:" + digits + b"\n\n", "Two newlines."),
        "byte-appended": (b"BES-UMK-1:" + digits + b"\nx", "A byte after the newline."),
        "zero-appended": (b"BES-UMK-1:" + digits + b"\n\x00", "A zero byte after the newline."),
        "second-key": ((b"BES-UMK-1:" + digits + b"\n") * 2, "Two keys."),
        "62-digits": (b"BES-UMK-1:" + digits[:62] + b"\n", "A digit pair too few."),
        "63-digits": (b"BES-UMK-1:" + digits[:63] + b"\n", "A digit too few."),
        "65-digits": (b"BES-UMK-1:" + digits + b"0\n", "A digit too many."),
        "66-digits": (b"BES-UMK-1:" + digits + b"00\n", "A digit pair too many."),
        "32-digits": (b"BES-UMK-1:" + digits[:32] + b"\n", "A key of 128 bits."),
        "byte-order-mark": (
            b"\xef\xbb\xbfBES-UMK-1:" + digits + b"\n",
            "A byte order mark before the prefix.",
        ),
        "utf-16": (("BES-UMK-1:" + digits.decode() + "\n").encode("utf-16-le"), "The file in UTF-16."),
        "prefix-version-2": (b"BES-UMK-2:" + digits + b"\n", "The prefix of another version."),
        "prefix-lower-case": (b"bes-umk-1:" + digits + b"\n", "The prefix in small letters."),
        "prefix-missing": (digits + b"\n", "Digits without the prefix."),
        "prefix-another": (b"BES-KEK-1:" + digits + b"\n", "The prefix of another thing."),
        "space-before": (b" BES-UMK-1:" + digits + b"\n", "A space before the prefix."),
        "space-after-prefix": (b"BES-UMK-1: " + digits + b"\n", "A space after the prefix."),
        "space-at-end": (b"BES-UMK-1:" + digits + b" \n", "A space before the newline."),
        "not-hexadecimal": (b"BES-UMK-1:" + digits[:-1] + b"g\n", "A digit that is not hexadecimal."),
        "0x": (b"BES-UMK-1:0x" + digits[:62] + b"\n", "Digits that begin with 0x."),
        "plus": (b"BES-UMK-1:+" + digits[:63] + b"\n", "A plus in place of a digit."),
        "not-utf-8": (b"BES-UMK-1:" + digits[:-1] + b"\xff\n", "A byte that is not UTF-8."),
        "fullwidth-digits": (("BES-UMK-1:" + "\uff10" * 64 + "\n").encode(), "Digits outside ASCII."),
        "raw-key": (bytes(range(32)), "The key's 32 bytes themselves."),
        "base64": (b"BES-UMK-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n", "The key in base64."),
    }
    for what, (file, about) in files.items():
        yield scenario("key-file-refused", what, about, {"file": file.hex()})


@dataclass(frozen=True)
class Wrap:
    """Everything that goes into a wrapped KEK."""

    umk: bytes
    salt: bytes
    kek: bytes
    context: KeyContext

    def wrap(self) -> bytes:
        return wrap_kek(self.umk, self.salt, self.kek, self.context)


def a_wrap(name: str, **changes: Any) -> Wrap:
    """A tenant's first KEK under a UMK of its own; `changes` are to its context."""
    kek = kek_of(name)
    context = KeyContext("prod", "records", "alice", 1, kek.id)
    return Wrap(secret(name, "umk"), secret(name, "salt", 16), kek.key, replace(context, **changes))


KEY_CONTEXTS: dict[str, tuple[str, Json]] = {
    "records": ("A tenant's first KEK.", {}),
    "audit": ("The first audit KEK, of no tenant.", {"purpose": "audit", "tenant": ""}),
    "audit-version-2": ("A later audit KEK.", {"purpose": "audit", "tenant": "", "version": 2}),
    "version-2": ("The second version.", {"version": 2}),
    "version-256": ("A version of more than one byte.", {"version": 256}),
    "version-4294967295": ("The highest version.", {"version": U32_MAX}),
    "names-of-one-byte": ("The shortest names.", {"namespace": "!", "tenant": "~"}),
    "names-maximal": ("The longest names.", {"namespace": "n" * 255, "tenant": "t" * 255}),
    "names-all-characters": ("Every character that a name may have.", {
        "namespace": VISIBLE, "tenant": VISIBLE}),
    "tenant-named-audit": ("A tenant of the name audit.", {"tenant": "audit"}),
    "tenant-named-records": ("A tenant of the name records.", {"tenant": "records"}),
    "boundary-namespace-ab-tenant-c": ("One of a pair that would run together.",
                                       {"namespace": "ab", "tenant": "c"}),
    "boundary-namespace-a-tenant-bc": ("The other of the pair.", {"namespace": "a", "tenant": "bc"}),
    "kek-id-zeros": ("A kek_id of zeros.", {"kek_id": bytes(16)}),
}  # fmt: skip


def wrap_scenarios() -> Iterator[Json]:
    contexts = KEY_CONTEXTS.items()
    cases = {what: (about, a_wrap(f"wrap-{what}", **changes)) for what, (about, changes) in contexts}
    zeros = replace(a_wrap("wrap-zeros"), umk=bytes(32), salt=bytes(16), kek=bytes(32))
    cases["zeros"] = ("UMK, salt and KEK of zeros.", zeros)
    cases["ones"] = (
        "UMK, salt and KEK of one bits.",
        replace(zeros, umk=b"\xff" * 32, salt=b"\xff" * 16, kek=b"\xff" * 32),
    )
    same = a_wrap("wrap-kek-is-umk")
    cases["kek-is-umk"] = ("A KEK that equals the UMK.", replace(same, kek=same.umk))
    for what, (about, w) in cases.items():
        fields = {
            "umk": w.umk.hex(),
            "salt": w.salt.hex(),
            "kek": w.kek.hex(),
            "context": context_json(w.context),
            "expected": expected_wrap(w.umk, w.salt, w.kek, w.context),
        }
        yield scenario("wrap", what, about, fields)


def encryption_context_scenarios() -> Iterator[Json]:
    for what, (about, changes) in KEY_CONTEXTS.items():
        context = a_wrap(f"encryption-context-{what}", **changes).context
        fields = {"context": context_json(context), "expected": encryption_context(context)}
        yield scenario("encryption-context", what, about, fields)


def forge_wrap(
    w: Wrap,
    *,
    ctx: Callable[[bytes], bytes] = lambda ctx: ctx,
    info: Callable[[bytes, bytes], bytes] = lambda salt, ctx: b"bes1/umk-wrap" + salt + sha256(ctx),
    aad: Callable[[bytes], bytes] = lambda ctx: b"bes1/kek" + WRAPPED_KEK_FORMAT + ctx,
    nonce: bytes = ZERO_NONCE,
    key_size: int = 32,
) -> bytes:
    """Wraps as `wrap_kek` does, consistently, but for the one thing that an argument changes."""
    encoded = ctx(w.context.encode())
    key = hkdf_expand(w.umk, info(w.salt, encoded), 32)[:key_size]
    return WRAPPED_KEK_FORMAT + w.salt + AESGCM(key).encrypt(nonce, w.kek, aad(encoded))


def unwrap_refused_scenarios() -> Iterator[Json]:
    def refused(
        what: str,
        about: str,
        error: str,
        make: Callable[[Wrap], bytes] = Wrap.wrap,
        asked: Json | None = None,
        umk: Callable[[bytes], bytes] = lambda umk: umk,
        sealed: Json | None = None,
    ) -> Json:
        w = a_wrap(f"unwrap-refused-{what}", **(sealed or {}))
        require(unwrap_kek(w.umk, w.wrap(), w.context) == w.kek, "does not unwrap")
        fields = {
            "umk": umk(w.umk).hex(),
            "context": context_json(replace(w.context, **(asked or {}))),
            "wrapped": make(w).hex(),
            "error": error,
        }
        return scenario("unwrap-refused", what, about, fields)

    audit = {"purpose": "audit", "tenant": ""}
    contexts: dict[str, tuple[str, Json, Json]] = {
        "namespace": ("In another namespace.", {}, {"namespace": "test"}),
        "tenant": ("Moved to another tenant.", {}, {"tenant": "bob"}),
        "tenant-case": ("Names differ by case.", {}, {"tenant": "Alice"}),
        "purpose-audit": ("A tenant's KEK as the audit KEK.", {}, audit),
        "purpose-records": ("The audit KEK as a tenant's.", audit,
                            {"purpose": "records", "tenant": "alice"}),
        "purpose-as-tenant": ("The audit KEK as that of a tenant named audit.", audit, {
            "purpose": "records", "tenant": "audit"}),
        "version": ("As another version.", {}, {"version": 2}),
        "version-0": ("As version 0.", {}, {"version": 0}),
        "version-byte-order": ("The version with its bytes reversed.", {}, {"version": 2**24}),
        "kek-id": ("Under another kek_id.", {}, {"kek_id": kek_of("another").id}),
        "boundary-moved": ("One letter moved from namespace to tenant.",
                           {"namespace": "ab", "tenant": "c"}, {"namespace": "a", "tenant": "bc"}),
        "parts-exchanged": ("Namespace and tenant exchanged.", {},
                            {"namespace": "alice", "tenant": "prod"}),
    }  # fmt: skip
    for what, (about, sealed, asked) in contexts.items():
        yield refused(f"context-{what}", about, "Authentication", asked=asked, sealed=sealed)

    regions = {"salt": (1, 17), "ciphertext": (17, 49), "tag": (49, 65)}
    for region, (start, end) in regions.items():
        about = f"The first bit of the {region} flipped."
        yield refused(
            f"bit-first-of-{region}", about, "Authentication", lambda w: flip(w.wrap(), start, 0x80)
        )
        about = f"The last bit of the {region} flipped."
        yield refused(
            f"bit-last-of-{region}", about, "Authentication", lambda w: flip(w.wrap(), end - 1, 0x01)
        )
    for length in (0, 1, 2, 16, 17, 18, 48, 49, 50, 64):
        about = f"Only the first {length} bytes of 65." if length else "Nothing."
        yield refused(f"truncated-to-{length}", about, "Malformed", lambda w: w.wrap()[:length])
    for first in (0x00, 0x02, 0x81, 0xFF):
        about = f"The first byte is 0x{first:02x}."
        yield refused(f"format-{first:02x}", about, "Malformed", lambda w: bytes([first]) + w.wrap()[1:])

    other = bytes.fromhex("5a") * 32
    rows: list[tuple[str, str, str, Callable[[Wrap], bytes]]] = [
        ("byte-appended", "One byte more at the end.", "Malformed", lambda w: w.wrap() + b"\x00"),
        ("byte-prepended", "One byte more at the beginning.", "Malformed", lambda w: b"\x01" + w.wrap()),
        ("zeros", "As many zero bytes.", "Malformed", lambda w: bytes(65)),
        ("zeros-of-this-format", "The format's byte and zeros.", "Authentication",
         lambda w: b"\x01" + bytes(64)),
        ("kek-in-clear", "The KEK itself, unencrypted.", "Authentication",
         lambda w: b"\x01" + w.salt + w.kek + bytes(16)),
        ("kek-of-31-bytes", "A KEK of 31 bytes, correctly wrapped.", "Malformed",
         lambda w: replace(w, kek=w.kek[:31]).wrap()),
        ("kek-of-33-bytes", "A KEK of 33 bytes, correctly wrapped.", "Malformed",
         lambda w: replace(w, kek=w.kek + b"\x00").wrap()),
        ("salt-of-another", "The salt of another wrapping of the same KEK.", "Authentication",
         lambda w: b"\x01" + other[:16] + w.wrap()[17:]),
        ("ciphertext-of-another", "The ciphertext of another wrapping of the same KEK.", "Authentication",
         lambda w: w.wrap()[:17] + replace(w, salt=other[:16]).wrap()[17:]),
        ("tag-96-bits", "A tag of 96 bits, filled with zeros.", "Authentication",
         lambda w: w.wrap()[:-4] + bytes(4)),
        ("label-of-key", "The wrapping key's label in another case.", "Authentication",
         lambda w: forge_wrap(w, info=lambda salt, ctx: b"bes1/UMK-wrap" + salt + sha256(ctx))),
        ("label-of-aad", "The aad's label in another case.", "Authentication",
         lambda w: forge_wrap(w, aad=lambda ctx: b"bes1/KEK\x01" + ctx)),
        ("format-not-in-aad", "The aad without the format's byte.", "Authentication",
         lambda w: forge_wrap(w, aad=lambda ctx: b"bes1/kek" + ctx)),
        ("context-not-in-aad", "The aad without the context.", "Authentication",
         lambda w: forge_wrap(w, aad=lambda ctx: b"bes1/kek\x01")),
        ("context-hashed-in-aad", "The aad with the context's hash.", "Authentication",
         lambda w: forge_wrap(w, aad=lambda ctx: b"bes1/kek\x01" + sha256(ctx))),
        ("salt-not-in-key", "The wrapping key without the salt.", "Authentication",
         lambda w: forge_wrap(w, info=lambda salt, ctx: b"bes1/umk-wrap" + sha256(ctx))),
        ("context-not-in-key", "The wrapping key without the context.", "Authentication",
         lambda w: forge_wrap(w, info=lambda salt, ctx: b"bes1/umk-wrap" + salt)),
        ("context-not-hashed-in-key", "The wrapping key with the context itself.", "Authentication",
         lambda w: forge_wrap(w, info=lambda salt, ctx: b"bes1/umk-wrap" + salt + ctx)),
        ("purpose-before-tenant", "A context with its texts in another order.", "Authentication",
         lambda w: forge_wrap(
             w, ctx=lambda ctx: lp(b"prod") + lp(b"records") + lp(b"alice") + u32(1) + ctx[-16:])),
        ("nonce-1", "Nonce 1.", "Authentication", lambda w: forge_wrap(w, nonce=bytes(11) + b"\x01")),
        ("aes-128", "AES-128 under half of the wrapping key.", "Authentication",
         lambda w: forge_wrap(w, key_size=16)),
    ]  # fmt: skip
    plain = a_wrap("unwrap-refused")
    require(forge_wrap(plain) == plain.wrap(), "forging nothing gives other bytes than wrapping")
    for what, about, error, make in rows:
        yield refused(what, about, error, make)
    yield refused(
        "another-umk", "Another UMK.", "Authentication", umk=lambda umk: secret(umk.hex(), "other umk")
    )
    yield refused(
        "umk-bit-flipped", "The UMK differs by one bit.", "Authentication", umk=lambda umk: flip(umk, -1)
    )


# ==================================================================================================
# Scenarios: audit events
# ==================================================================================================

MILLISECONDS = 1_767_323_045_678  # of TIMESTAMP_TEXT
TIMESTAMP_TEXT = "2026-01-02T03:04:05.678901Z"
WHOLE_RESOURCE = resource_name("prod", "alice", "inbox", "note", "42")


def an_event(name: str, **changes: Any) -> Event:
    event = Event(
        event_id=uuid_bytes(name, "event", 7, MILLISECONDS),
        timestamp=TIMESTAMP_TEXT,
        trace_id=secret(name, "trace", 16).hex(),
        span_id=secret(name, "span", 8).hex(),
        operation="encrypt",
        key_id=str(uuid.UUID(bytes=kek_of(name).id)),
        principal="service:api",
        outcome="success",
        reason="",
        resource=WHOLE_RESOURCE,
        version=VERSION,
        content_digest=secret(name, "digest"),
        chain="main",
        sequence=7,
        previous_hash=secret(name, "previous"),
    )
    return replace(event, **changes)


def event_scenarios() -> Iterator[Json]:
    umk = "local:" + "0123456789abcdef" * 2
    tenant, collection = resource_name("prod", "alice"), resource_name("prod", "alice", "inbox")
    no_record: Json = {"version": 0, "content_digest": None}
    of_kek: Json = {"key_id": umk, "resource": tenant, **no_record}
    operations: dict[str, Json] = {
        "encrypt": {},
        "decrypt": {},
        "delete": {"content_digest": None},
        "generate_kek": of_kek,
        "unwrap_kek": of_kek,
        "rotate": of_kek,
        "rewrap": {},
        "rewrap_root": of_kek,
        "retire": of_kek,
        "shred": of_kek,
        "lease": {"resource": collection, **no_record},
        "open_chain": {"resource": resource_name("prod"), "chain": "registry", **no_record},
        "adopt": {"resource": resource_name("prod"), **no_record},
    }
    require(tuple(operations) == OPERATIONS, "not every operation")
    outcomes = {
        "success": ("", "{} that succeeded."),
        "failure": ("authentication", "{} that failed, with its reason."),
        "denied": ("access_denied", "{} that was denied, with its reason."),
    }
    rows: dict[str, tuple[str, Json]] = {}
    for operation, changes in operations.items():
        for outcome, (reason, about) in outcomes.items():
            what = f"{operation.replace('_', '-')}-{outcome}"
            rows[what] = (about.format(operation), {
                **changes, "operation": operation, "outcome": outcome, "reason": reason})  # fmt: skip

    rows |= {
        "first-of-a-chain": ("Sequence 0, after no event.", {"sequence": 0, "previous_hash": ZERO_HASH}),
        "second-of-a-chain": ("Sequence 1.", {"sequence": 1}),
        "numbers-minimal": ("Sequence and version 0.",
                            {"sequence": 0, "version": 0, "previous_hash": ZERO_HASH}),
        "numbers-maximal": ("The highest sequence and version.", {"sequence": U64_MAX, "version": U64_MAX}),
        "numbers-above-2-53": ("Numbers that a double cannot hold.",
                               {"sequence": 2**53 + 1, "version": 2**53 + 1}),
        "numbers-above-i64": ("Numbers that an i64 cannot hold.", {"sequence": 2**63, "version": 2**63}),
        "without-digest": ("No content digest.", {"content_digest": None}),
        "digest-zeros": ("A content digest of zeros is not an absent one.", {"content_digest": ZERO_HASH}),
        "hashes-ones": ("Hashes of one bits.",
                        {"content_digest": b"\xff" * 32, "previous_hash": b"\xff" * 32}),
        "without-trace": ("No trace.", {"trace_id": "", "span_id": ""}),
        "texts-empty": ("Every free text empty.", dict.fromkeys(
            ("trace_id", "span_id", "key_id", "principal", "reason", "resource", "chain"), "")),
        "principal-empty": ("Nobody says who did it.", {"principal": ""}),
        "principal-unicode": ("A principal of many scripts.", {
            "principal": "\u0410\u043b\u0438\u0441\u0430 \U0001f469\u200d\U0001f52c \u05d0\u202e e\u0301"}),
        "principal-controls": ("A principal with control characters, which nothing forbids.", {
            "principal": "a\u0000b\r\n\u001b[31m\u007f\u0085"}),
        "principal-long": ("A principal of 2,000 bytes.", {"principal": "p" * 2_000}),
        "reason-free": ("A reason that no code of ours is.",
                        {"reason": "Anything at all.", "outcome": "failure"}),
        "resource-percent-encoded": ("All but unreserved characters encoded.", {
            "resource": resource_name("prod", "a%b:c", "in~box.1", "note_-", "caf\u00e9 #/\U0001f600")}),
        "resource-empty": ("No resource.", {"resource": ""}),
        "resource-free": ("A resource that no encoding made is read as it is.",
                          {"resource": "bes:a b/%2f/\u00e9"}),
        "trace-free": ("A reader does not judge what a trace id says.",
                       {"trace_id": "TRACE", "span_id": "\u00e9"}),
        "key-id-umk": ("The UMK's id as the key.", {"key_id": umk, "operation": "unwrap_kek"}),
        "key-id-arn": ("A KMS key as the key.", {
            "key_id": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "operation": "generate_kek"}),
        "chain-per-writer": ("A chain named by a UUID.", {"chain": "0194250b-5d6e-7abc-8def-0123456789ab"}),
        "chain-maximal": ("The longest name of a chain.", {"chain": "c" * 255}),
        "texts-exchanged-a": ("One of a pair whose texts would run together.",
                              {"trace_id": "ab", "span_id": "c"}),
        "texts-exchanged-b": ("The other of the pair.", {"trace_id": "a", "span_id": "bc"}),
        "id-zeros": ("A reader does not judge an event id of 16 bytes.", {"event_id": bytes(16)}),
        "id-ones": ("A reader does not judge an event id of 16 bytes.", {"event_id": b"\xff" * 16}),
        "sequence-0-after-a-hash": ("A reader of one event does not judge its place in a chain.",
                                    {"sequence": 0}),
    }  # fmt: skip
    timestamps = {
        "0000-01-01T00:00:00.000000Z": "The first timestamp.",
        "0000-02-29T12:00:00.000000Z": "Year 0 is a leap year.",
        "0001-01-01T00:00:00.000000Z": "Year 1.",
        "1582-10-10T00:00:00.000000Z": "A day that the Gregorian reform skipped: the calendar is proleptic.",
        "1969-12-31T23:59:59.999999Z": "The last microsecond before the Unix epoch.",
        "1970-01-01T00:00:00.000000Z": "The Unix epoch.",
        "2000-02-29T00:00:00.000001Z": "A leap day in a year divisible by 400.",
        "2024-02-29T23:59:59.999999Z": "The end of a leap day.",
        "2026-12-31T23:59:59.100000Z": "A fraction whose zeros stay.",
        "2262-04-12T00:00:00.000000Z": "A day that 64 bits of nanoseconds cannot reach.",
        "9999-12-31T23:59:59.999999Z": "The last timestamp.",
    }
    for timestamp, about in timestamps.items():
        rows[f"timestamp-{timestamp[:10]}"] = (about, {"timestamp": timestamp})
    for what, (about, changes) in rows.items():
        event = an_event(f"event-{what}", **changes)
        yield scenario("event", what, about, {"event": event_json(event), "expected": expected_event(event)})


def raw_event(event: Event, **fields: bytes) -> bytes:
    """The event's encoding with some fields' bytes replaced."""
    return EVENT_LABEL + b"".join(lp(field) for field in {**event.fields(), **fields}.values())


BAD_TIMESTAMPS = {
    "empty": ("", "No timestamp."),
    "year-of-5-digits": ("12026-01-02T03:04:05.678901Z", "A year of five digits."),
    "year-of-5-digits-in-27-bytes": (
        "12026-01-02T03:04:05.67890Z",
        "A year of five digits, 27 bytes in all.",
    ),
    "year-negative": ("-001-01-02T03:04:05.678901Z", "A negative year."),
    "year-with-plus": ("+026-01-02T03:04:05.678901Z", "A year with a plus."),
    "year-with-space": (" 026-01-02T03:04:05.678901Z", "A year with a space."),
    "fraction-of-5-digits": ("2026-01-02T03:04:05.67890Z", "Five digits of fraction."),
    "fraction-of-7-digits": ("2026-01-02T03:04:05.6789012Z", "Seven digits of fraction."),
    "fraction-absent": ("2026-01-02T03:04:05Z", "No fraction."),
    "fraction-with-space": ("2026-01-02T03:04:05.67890 Z", "A space in the fraction."),
    "fraction-with-sign": ("2026-01-02T03:04:05.+78901Z", "A plus in the fraction."),
    "fraction-after-comma": ("2026-01-02T03:04:05,678901Z", "A comma before the fraction."),
    "lower-case-z": ("2026-01-02T03:04:05.678901z", "A small z."),
    "lower-case-t": ("2026-01-02t03:04:05.678901Z", "A small t."),
    "space-for-t": ("2026-01-02 03:04:05.678901Z", "A space in place of T."),
    "slashes": ("2026/01/02T03:04:05.678901Z", "Slashes in the date."),
    "dots-in-time": ("2026-01-02T03.04.05.678901Z", "Dots in the time."),
    "no-separators": ("20260102T030405.6789010000Z", "The basic form, without separators."),
    "month-0": ("2026-00-02T03:04:05.678901Z", "Month 0."),
    "month-13": ("2026-13-02T03:04:05.678901Z", "Month 13."),
    "day-0": ("2026-01-00T03:04:05.678901Z", "Day 0."),
    "january-32": ("2026-01-32T03:04:05.678901Z", "32 January."),
    "february-29": ("2026-02-29T03:04:05.678901Z", "29 February of a year that is not a leap year."),
    "february-29-of-1900": (
        "1900-02-29T03:04:05.678901Z",
        "29 February of a year divisible by 100 and not 400.",
    ),
    "february-30": ("2024-02-30T03:04:05.678901Z", "30 February."),
    "april-31": ("2026-04-31T03:04:05.678901Z", "31 April."),
    "hour-24": ("2026-01-02T24:00:00.000000Z", "Hour 24."),
    "minute-60": ("2026-01-02T03:60:05.678901Z", "Minute 60."),
    "second-60": ("2026-01-02T03:04:60.000000Z", "Second 60."),
    "leap-second": ("2016-12-31T23:59:60.000000Z", "A leap second that did happen."),
    "offset": ("2026-01-02T03:04:05.678901+00:00", "An offset in place of Z."),
    "offset-in-27-bytes": ("2026-01-02T03:04:05.678+00Z", "An offset before Z, 27 bytes in all."),
    "offset-hours": ("2026-01-02T03:04:05.678+0100", "An offset of an hour."),
    "no-zone": ("2026-01-02T03:04:05.678901", "No zone."),
    "digit-for-z": ("2026-01-02T03:04:05.6789012", "A seventh digit in place of Z."),
    "space-after": ("2026-01-02T03:04:05.678901Z ", "A space at the end."),
    "newline-after": ("2026-01-02T03:04:05.678901Z\n", "A newline at the end."),
    "newline-in-27-bytes": ("2026-01-02T03:04:05.67890Z\n", "A newline at the end, 27 bytes in all."),
    "digits-outside-ascii": ("202\u0666-01-02T03:04:05.67890Z", "A digit outside ASCII, 27 bytes in all."),
    "words": ("Fri, 02 Jan 2026 03:04:05 Z", "The form of e-mail."),
    "zero-byte": ("2026-01-02T03:04:05.678901\u0000", "A zero byte in place of Z."),
}
BAD_UTF_8 = {
    "overlong": ("c080", "An overlong encoding."),
    "surrogate": ("eda080", "An encoded surrogate."),
    "above-10ffff": ("f4908080", "A code point above U+10FFFF."),
    "cut-short": ("61e282", "A character cut short."),
    "continuation-alone": ("8061", "A continuation byte alone."),
}


def offset_of(event: Event, field: str) -> int:
    """Where the length of a field stands."""
    before = EVENT_FIELDS[: EVENT_FIELDS.index(field)]
    return len(EVENT_LABEL) + sum(4 + len(event.fields()[name]) for name in before)


def cut(field: str, keep: int) -> Callable[[Event], bytes]:
    """The event up to `keep` bytes of a field and its length."""
    return lambda event: event.encode()[: offset_of(event, field) + keep]


def cut_in(field: str) -> Callable[[Event], bytes]:
    """The event up to the last byte of a field, without it."""
    return lambda event: cut(field, 4 + len(event.fields()[field]) - 1)(event)


def lying(field: str, by: int | None) -> Callable[[Event], bytes]:
    """The event with a field's length `by` more than it is, or the highest there is."""

    def make(event: Event) -> bytes:
        start, data = offset_of(event, field), event.encode()
        length = U32_MAX if by is None else len(event.fields()[field]) + by
        return data[:start] + u32(length) + data[start + 4 :]

    return make


def event_refused_scenarios() -> Iterator[Json]:
    def refused(what: str, about: str, make: Callable[[Event], bytes]) -> Json:
        event = an_event(f"event-refused-{what}", outcome="failure", reason="conflict")
        require(decode_event(raw_event(event)) == event, "does not decode")
        return scenario("event-refused", what, about, {"event_bytes": make(event).hex()})

    yield refused("empty", "Nothing.", lambda e: b"")
    yield refused("label-alone", "The beginning and nothing else.", lambda e: EVENT_LABEL)
    yield refused("label-cut-short", "The beginning without its last byte.", lambda e: EVENT_LABEL[:-1])
    labels = {
        "capital": "bes1/Event",
        "capitals": "BES1/event",
        "of-another-format": "bes2/event",
        "of-a-segment": "bes1/segment",
        "missing": "",
    }
    for what, label in labels.items():
        about = f"It begins with {label}." if label else "It begins with its first field."
        yield refused(f"label-{what}", about, lambda e: label.encode() + e.encode()[len(EVENT_LABEL) :])
    for field in EVENT_FIELDS:
        words = field.replace("_", "-")
        yield refused(f"cut-before-{words}", f"It ends before {field}.", cut(field, 0))
        yield refused(f"cut-in-length-of-{words}", f"It ends in the length of {field}.", cut(field, 3))
        yield refused(f"cut-after-length-of-{words}", f"It ends after the length of {field}.", cut(field, 4))
        yield refused(f"cut-in-{words}", f"It lacks the last byte of {field}.", cut_in(field))
        yield refused(f"length-one-more-in-{words}", f"The length of {field} says one more.", lying(field, 1))
        yield refused(
            f"length-one-less-in-{words}", f"The length of {field} says one less.", lying(field, -1)
        )
        about = f"The length of {field} says 4,294,967,295."
        yield refused(f"length-maximal-in-{words}", about, lying(field, None))
    yield refused("lengths-little-endian", "Lengths are little-endian.", lambda e: EVENT_LABEL + b"".join(
        len(field).to_bytes(4, "little") + field for field in e.fields().values()))  # fmt: skip
    yield refused("lengths-in-16-bits", "Lengths take 16 bits.", lambda e: EVENT_LABEL + b"".join(
        u16(len(field)) + field for field in e.fields().values()))  # fmt: skip
    yield refused("byte-appended", "One byte more at the end.", lambda e: e.encode() + b"\x00")
    yield refused("field-appended", "A sixteenth field, empty.", lambda e: e.encode() + lp(b""))
    yield refused("hash-appended", "Its hash as a sixteenth field.", lambda e: e.encode() + lp(e.hash()))
    yield refused("twice", "Two events.", lambda e: e.encode() * 2)
    yield refused("with-a-length", "The event with its length before it.", lambda e: lp(e.encode()))

    sizes = {
        "event_id": (0, 15, 17, 36),
        "version": (0, 1, 4, 7, 9),
        "content_digest": (1, 16, 31, 33, 64),
        "sequence": (0, 1, 4, 7, 9),
        "previous_hash": (0, 1, 31, 33, 64),
    }
    for field, lengths in sizes.items():
        for length in lengths:
            yield refused(f"{field.replace('_', '-')}-of-{length}-bytes", f"{field} takes {length} bytes.",
                          lambda e: raw_event(e, **{field: bytes(length)}))  # fmt: skip
    words_refused = {
        "operation": {
            "empty": "",
            "capitalised": "Encrypt",
            "in-capitals": "ENCRYPT",
            "with-a-letter-more": "encrypts",
            "with-a-letter-less": "encryp",
            "with-a-space": "encrypt ",
            "with-a-zero-byte": "encrypt\u0000",
            "hyphenated": "generate-kek",
            "in-camel-case": "generateKek",
            "unknown": "read",
            "an-outcome": "success",
        },
        "outcome": {
            "empty": "",
            "capitalised": "Success",
            "in-capitals": "SUCCESS",
            "with-a-letter-less": "succes",
            "with-a-space": "success ",
            "unknown": "ok",
            "an-operation": "encrypt",
        },
    }
    for field, words_of_field in words_refused.items():
        for what, word in words_of_field.items():
            about = f"The {field} {json.dumps(word)} does not exist."
            yield refused(f"{field}-{what}", about, lambda e: raw_event(e, **{field: utf8(word)}))
    for field in EVENT_FIELDS:
        if field in ("event_id", "version", "content_digest", "sequence", "previous_hash"):
            continue  # which are not text
        yield refused(f"not-utf-8-{field.replace('_', '-')}", f"The {field} ends in the byte 0xff.",
                      lambda e: raw_event(e, **{field: e.fields()[field][:-1] + b"\xff"}))  # fmt: skip
    for what, (hexadecimal, about) in BAD_UTF_8.items():
        yield refused(
            f"not-utf-8-{what}", about, lambda e: raw_event(e, principal=bytes.fromhex(hexadecimal))
        )
    for what, (text, about) in BAD_TIMESTAMPS.items():
        require(len(utf8(text)) == 27 or "27 bytes" not in about, f"{what} is not 27 bytes")
        yield refused(f"timestamp-{what}", about, lambda e: raw_event(e, timestamp=utf8(text)))


# ==================================================================================================
# Scenarios: audit segments
# ==================================================================================================


def linked(events: Sequence[Event]) -> list[Event]:
    """The events, each but the first naming the hash of the one before."""
    chain: list[Event] = []
    for event in events:
        chain.append(replace(event, previous_hash=chain[-1].hash()) if chain else event)
    return chain


def run(name: str, asked: Asked, count: int, **changes: Any) -> list[Event]:
    """Consecutive events of the chain that is asked for."""
    previous = ZERO_HASH if asked.first == 0 else secret(name, "before")
    first = {"chain": asked.chain, "previous_hash": previous, **changes}
    return linked(
        [
            an_event(
                f"{name} {place}", sequence=asked.first + place, operation=OPERATIONS[place % 3], **first
            )
            for place in range(count)
        ]
    )


def asked_of(name: str, chain: str = "main", first: int = 7, namespace: str = "prod") -> Asked:
    return Asked(kek_of(name, "audit kek"), namespace, chain, first)


def segment_scenarios() -> Iterator[Json]:
    umk, free = "local:" + "0123456789abcdef" * 2, "\u0410\u043b\u0438\u0441\u0430 \U0001f600 \u05d0"
    rows: dict[str, tuple[str, int, Json, Json]] = {
        "one-event": ("One event, the first of its chain.", 1, {"first": 0}, {}),
        "one-event-later": ("One event, later in its chain.", 1, {"first": 7}, {}),
        "two-events": ("Two events, the first of their chain.", 2, {"first": 0}, {}),
        "two-events-later": ("Two events, later in their chain.", 2, {"first": 1_000}, {}),
        "99-events": ("The most events that a group commits.", 99, {"first": 12}, {}),
        "first-above-2-53": ("A first sequence that a double cannot hold.", 2, {"first": 2**53 + 1}, {}),
        "first-across-i64": ("Sequences on either side of the highest i64.", 2, {"first": 2**63 - 1}, {}),
        "last-sequence": ("Two events, the second with the highest sequence.", 2, {"first": U64_MAX - 1},
                          {}),
        "first-is-last-sequence": ("One event with the highest sequence.", 1, {"first": U64_MAX}, {}),
        "chain-per-writer": ("A chain named by a UUID.", 2,
                             {"chain": "0194250b-5d6e-7abc-8def-0123456789ab"}, {}),
        "names-of-one-byte": ("The shortest names.", 2, {"namespace": "!", "chain": "~"}, {}),
        "names-maximal": ("The longest names.", 2, {"namespace": "n" * 255, "chain": "c" * 255}, {}),
        "boundary-namespace-ab-chain-c": ("One of a pair that would run together.", 1, {
            "namespace": "ab", "chain": "c"}, {}),
        "boundary-namespace-a-chain-bc": ("The other of the pair.", 1, {"namespace": "a", "chain": "bc"},
                                          {}),
        "texts-unicode": ("Events with texts of many scripts.", 3, {}, {"principal": free, "reason": free}),
        "texts-empty": ("Events with empty texts.", 2, {}, {
            "trace_id": "", "span_id": "", "principal": "", "reason": "", "resource": ""}),
        "without-digests": ("Events without content digests.", 3, {}, {
            "content_digest": None, "version": 0, "key_id": umk}),
        "zeros-before-a-later-first": ("What comes before is no check: zeros before sequence 7.", 2, {}, {
            "previous_hash": ZERO_HASH}),
        "hash-before-sequence-0": ("What comes before is no check: a hash before sequence 0.",
                                   2, {
            "first": 0}, {"previous_hash": b"\x5a" * 32}),
        "same-event-ids": ("Event ids are not compared.", 2, {}, {"event_id": bytes(16)}),
        "timestamps-descending": ("Timestamps are not compared.", 2, {}, {}),
    }  # fmt: skip
    for what, (about, count, where, changes) in rows.items():
        asked = asked_of(f"segment-{what}", **where)
        events = run(f"segment-{what}", asked, count, **changes)
        if what == "timestamps-descending":
            events = linked([events[0], replace(events[1], timestamp="2026-01-02T03:04:05.678900Z")])
        fields = {
            **asked_json(asked),
            "events": [event_json(event) for event in events],
            "expected": expected_segment(asked, events),
        }
        yield scenario("segment", what, about, fields)


def encoded(events: Sequence[Event]) -> bytes:
    return b"".join(lp(event.encode()) for event in events)


def changed(events: Sequence[Event], place: int, **changes: Any) -> list[Event]:
    """One event changed, all others as they were."""
    place %= len(events)
    return [*events[:place], replace(events[place], **changes), *events[place + 1 :]]


def edited(asked: Asked, events: Sequence[Event], stored_events: Sequence[Event]) -> Stored:
    """The table's events replaced by someone without the key: count, head and mac stay."""
    return replace(store_segment(asked, events), events=encoded(stored_events))


def claiming(asked: Asked, events: Sequence[Event], **claims: Any) -> Stored:
    """A segment whose writer, with the key, claims another count or head and computes the mac for that."""
    stored = replace(store_segment(asked, events), **claims)
    return replace(stored, mac=segment_mac(asked, stored.count, events[0].previous_hash, stored.head_hash))


def relabelled(asked: Asked, events: Sequence[Event], key: bytes, *parts: bytes) -> Stored:
    """A segment whose mac is over other parts, or under another key."""
    return replace(store_segment(asked, events), mac=hmac.digest(key, b"".join(parts), "sha256"))


def mac_parts(asked: Asked, events: Sequence[Event]) -> list[bytes]:
    stored = store_segment(asked, events)
    where = [lp(utf8(asked.namespace)), lp(utf8(asked.chain)), u64(asked.first), u32(stored.count)]
    return [b"bes1/segment", asked.kek.id, *where, events[0].previous_hash, stored.head_hash]


def mac_without(place: int) -> Callable[[Asked, list[Event]], Stored]:
    def make(asked: Asked, events: list[Event]) -> Stored:
        parts = mac_parts(asked, events)
        return relabelled(asked, events, derive_mac_key(asked.kek.key), *parts[:place], *parts[place + 1 :])

    return make


def fork(events: Sequence[Event], place: int) -> list[Event]:
    """The same run with another event at `place`, linked anew from there."""
    return linked(changed(events, place, principal="service:other"))


MakeSegment = Callable[[Asked, list[Event]], Stored]

# (what, about, error, what is stored), each of four events from sequence 7 of the chain `main`. Where a
# segment is made with `store_segment` or `claiming` alone, its mac is right: its writer has the key and errs.
SEGMENTS_REFUSED: list[tuple[str, str, str, MakeSegment]] = [
    ("no-events", "No events.", "Malformed", lambda a, e: edited(a, e, [])),
    ("no-events-counted", "No events, and a count of none.", "Malformed",
     lambda a, e: replace(claiming(a, e, count=0), events=b"")),
    ("byte-appended", "A byte after the last event.", "Malformed",
     lambda a, e: replace(store_segment(a, e), events=encoded(e) + b"\x00")),
    ("length-appended", "The length of nothing after the last event.", "Malformed",
     lambda a, e: replace(store_segment(a, e), events=encoded(e) + lp(b""))),
    ("last-byte-missing", "The last event lacks its last byte.", "Malformed",
     lambda a, e: replace(store_segment(a, e), events=encoded(e)[:-1])),
    ("first-byte-missing", "The first length lacks its first byte.", "Malformed",
     lambda a, e: replace(store_segment(a, e), events=encoded(e)[1:])),
    ("cut-in-a-length", "It ends within the last event's length.", "Malformed",
     lambda a, e: replace(store_segment(a, e), events=encoded(e[:-1]) + lp(e[-1].encode())[:3])),
    ("length-maximal", "The first length says 4,294,967,295.", "Malformed",
     lambda a, e: replace(store_segment(a, e), events=b"\xff" * 4 + encoded(e)[4:])),
    ("without-lengths", "Events without their lengths.", "Malformed",
     lambda a, e: replace(store_segment(a, e), events=b"".join(event.encode() for event in e))),
    ("event-malformed", "One event has an operation that does not exist.", "Malformed",
     lambda a, e: store_segment(a, changed(e, 2, operation="peek"))),
    ("event-with-a-byte-more", "One event has a byte left over.", "Malformed",
     lambda a, e: replace(store_segment(a, e),
                          events=encoded(e[:2]) + lp(e[2].encode() + b"\x00") + encoded(e[3:]))),
    ("event-empty", "An empty event among the others.", "Malformed",
     lambda a, e: replace(store_segment(a, e), events=encoded(e[:2]) + lp(b"") + encoded(e[2:]))),
    ("kek-id-of-another", "It names another audit KEK.", "WrongKey",
     lambda a, e: replace(store_segment(a, e), audit_kek_id=kek_of("another").id)),
    ("kek-id-bit-flipped", "One bit of the audit KEK's id flipped.", "WrongKey",
     lambda a, e: replace(store_segment(a, e), audit_kek_id=flip(a.kek.id, -1))),
    ("made-with-another-kek", "Made with another audit KEK, and it says so.", "WrongKey",
     lambda a, e: store_segment(replace(a, kek=kek_of("another")), e)),
    # What the mac covers.
    ("mac-first-bit", "The first bit of the mac flipped.", "Mac",
     lambda a, e: replace(store_segment(a, e), mac=flip(store_segment(a, e).mac, 0, 0x80))),
    ("mac-last-bit", "The last bit of the mac flipped.", "Mac",
     lambda a, e: replace(store_segment(a, e), mac=flip(store_segment(a, e).mac, -1))),
    ("mac-zeros", "A mac of zeros.", "Mac", lambda a, e: replace(store_segment(a, e), mac=bytes(32))),
    ("mac-of-another-key", "The mac of another key under the same id.", "Mac",
     lambda a, e: store_segment(replace(a, kek=Kek(a.kek.id, secret("another", "kek"))), e)),
    ("mac-of-another-namespace", "The mac of another namespace.", "Mac",
     lambda a, e: store_segment(replace(a, namespace="test"), e)),
    ("mac-of-another-chain", "The mac of another chain.", "Mac",
     lambda a, e: store_segment(replace(a, chain="other"), e)),
    ("mac-of-another-first", "The mac of another first sequence.", "Mac",
     lambda a, e: store_segment(replace(a, first=8), e)),
    ("mac-of-another-kek-id", "The mac over another audit KEK's id.", "Mac", lambda a, e: replace(
        store_segment(replace(a, kek=Kek(kek_of("another").id, a.kek.key)), e), audit_kek_id=a.kek.id)),
    ("mac-of-a-boundary-moved", "The mac with a letter moved from namespace to chain.", "Mac",
     lambda a, e: store_segment(replace(a, namespace="pro", chain="dmain"), e)),
    ("count-zero", "The count set to 0.", "Mac", lambda a, e: replace(store_segment(a, e), count=0)),
    ("count-one-more", "The count raised.", "Mac", lambda a, e: replace(store_segment(a, e), count=5)),
    ("count-one-less", "The count lowered.", "Mac", lambda a, e: replace(store_segment(a, e), count=3)),
    ("count-maximal", "The count set to the highest.", "Mac",
     lambda a, e: replace(store_segment(a, e), count=U32_MAX)),
    ("last-removed-and-counted", "The last event removed, count and head set to match.", "Mac",
     lambda a, e: replace(store_segment(a, e[:3]), mac=store_segment(a, e).mac)),
    ("event-appended-and-counted", "An event appended, count and head set to match.", "Mac",
     lambda a, e: replace(
         store_segment(a, [*e, an_event("appended", sequence=11, previous_hash=e[-1].hash())]),
         mac=store_segment(a, e).mac)),
    ("head-bit-flipped", "One bit of the stored head flipped.", "Mac",
     lambda a, e: replace(store_segment(a, e), head_hash=flip(e[-1].hash(), -1))),
    ("head-and-last-altered", "The last event altered, the head set to match.", "Mac",
     lambda a, e: replace(edited(a, e, fork(e, 3)), head_hash=fork(e, 3)[-1].hash())),
    ("previous-hash-of-first-altered", "The first event's previous_hash altered.", "Mac",
     lambda a, e: edited(a, e, changed(e, 0, previous_hash=flip(e[0].previous_hash, 0)))),
    ("first-removed", "The first event removed.", "Mac", lambda a, e: edited(a, e, e[1:])),
    ("first-two-exchanged", "The first two events exchanged.", "Mac",
     lambda a, e: edited(a, e, [e[1], e[0], *e[2:]])),
    ("event-put-before", "An event put before the first.", "Mac",
     lambda a, e: edited(a, e, [an_event("before", sequence=6), *e])),
    ("mac-of-the-segment-after", "The mac, count and head of the segment that follows.", "Mac",
     lambda a, e: replace(store_segment(replace(a, first=11), run("after", replace(a, first=11), 4)),
                          events=encoded(e))),
    ("mac-label-in-another-case", "The mac's label in another case.", "Mac", lambda a, e: relabelled(
        a, e, derive_mac_key(a.kek.key), b"bes1/Segment", *mac_parts(a, e)[1:])),
    ("mac-key-label-in-another-case", "The mac key's label in another case.", "Mac",
     lambda a, e: relabelled(
        a, e, hkdf_expand(a.kek.key, b"bes1/Audit-mac", 32), *mac_parts(a, e))),
    ("mac-key-is-the-kek", "The audit KEK itself as the mac key.", "Mac",
     lambda a, e: relabelled(a, e, a.kek.key, *mac_parts(a, e))),
    ("mac-is-a-hash", "A hash without a key in place of the mac.", "Mac",
     lambda a, e: replace(store_segment(a, e), mac=sha256(b"".join(mac_parts(a, e))))),
    ("mac-without-label", "The mac without its label.", "Mac", mac_without(0)),
    ("mac-without-kek-id", "The mac without the audit KEK's id.", "Mac", mac_without(1)),
    ("mac-without-namespace", "The mac without the namespace.", "Mac", mac_without(2)),
    ("mac-without-chain", "The mac without the chain.", "Mac", mac_without(3)),
    ("mac-without-first", "The mac without the first sequence.", "Mac", mac_without(4)),
    ("mac-without-count", "The mac without the count.", "Mac", mac_without(5)),
    ("mac-without-previous-hash", "The mac without previous_hash.", "Mac", mac_without(6)),
    ("mac-without-head-hash", "The mac without head_hash.", "Mac", mac_without(7)),
    # What the mac does not cover, and the chain does.
    ("event-removed", "An event removed from the middle.", "Count",
     lambda a, e: edited(a, e, [*e[:2], e[3]])),
    ("last-removed", "The last event removed.", "Count", lambda a, e: edited(a, e, e[:3])),
    ("event-inserted", "An event inserted in the middle.", "Count",
     lambda a, e: edited(a, e, [*e[:2], an_event("inserted", sequence=9), *e[2:]])),
    ("event-appended", "An event appended that follows.", "Count",
     lambda a, e: edited(a, e, [*e, an_event("appended", sequence=11, previous_hash=e[-1].hash())])),
    ("event-repeated", "An event stored twice.", "Count",
     lambda a, e: edited(a, e, [*e[:2], e[1], *e[2:]])),
    ("all-repeated", "All events stored twice.", "Count", lambda a, e: edited(a, e, [*e, *e])),
    ("count-zero-in-mac", "A count of 0, and a mac for it.", "Count", lambda a, e: claiming(a, e, count=0)),
    ("count-one-more-in-mac", "A count of 5, and a mac for it.", "Count",
     lambda a, e: claiming(a, e, count=5)),
    ("count-one-less-in-mac", "A count of 3, and a mac for it.", "Count",
     lambda a, e: claiming(a, e, count=3)),
    ("count-260-in-mac", "A count that is right in its low byte alone, and a mac for it.", "Count",
     lambda a, e: claiming(a, e, count=260)),
    *((f"foreign-{what}", f"The {what} event names another chain, and all is linked to it.", "Foreign",
       lambda a, e, place=place: store_segment(a, linked(changed(e, place, chain="other"))))
      for what, place in {"first": 0, "second": 1, "last": -1}.items()),
    ("foreign-all", "Every event names another chain.", "Foreign",
     lambda a, e: store_segment(a, linked([replace(event, chain="other") for event in e]))),
    ("foreign-case", "The chain's name in another case.", "Foreign",
     lambda a, e: store_segment(a, linked(changed(e, 1, chain="Main")))),
    ("foreign-empty", "An event that names no chain.", "Foreign",
     lambda a, e: store_segment(a, linked(changed(e, 1, chain="")))),
    ("foreign-put-in", "An event of another chain put in place of one.", "Foreign",
     lambda a, e: edited(a, e, changed(e, 2, chain="other"))),
    ("middle-two-exchanged", "The two events in the middle exchanged.", "Sequence",
     lambda a, e: edited(a, e, [e[0], e[2], e[1], e[3]])),
    ("last-two-exchanged", "The last two events exchanged.", "Sequence",
     lambda a, e: edited(a, e, [*e[:2], e[3], e[2]])),
    ("sequences-begin-before", "Sequences begin one before first, and all is linked.", "Sequence",
     lambda a, e: store_segment(a, linked([replace(event, sequence=event.sequence - 1) for event in e]))),
    ("sequences-begin-after", "Sequences begin one after first, and all is linked.", "Sequence",
     lambda a, e: store_segment(a, linked([replace(event, sequence=event.sequence + 1) for event in e]))),
    ("sequences-begin-at-0", "Sequences begin at 0, and all is linked.", "Sequence",
     lambda a, e: store_segment(a,
                                linked([replace(event, sequence=place) for place, event in enumerate(e)]))),
    ("sequence-gap", "A sequence is left out, and all is linked.", "Sequence",
     lambda a, e: store_segment(a, linked(changed(changed(e, 2, sequence=10), 3, sequence=11)))),
    ("sequence-repeated", "A sequence comes twice, and all is linked.", "Sequence",
     lambda a, e: store_segment(a, linked(changed(e, 2, sequence=8)))),
    ("sequences-descend", "Sequences descend, and all is linked.", "Sequence",
     lambda a, e: store_segment(a,
                                linked([replace(event, sequence=7 - i) for i, event in enumerate(e)]))),
    ("last-sequence", "The last sequence alone is another, and all is linked.", "Sequence",
     lambda a, e: store_segment(a, linked(changed(e, 3, sequence=11)))),
    ("event-removed-by-its-writer", "An event removed, the rest linked and counted.", "Sequence",
     lambda a, e: store_segment(a, linked([*e[:1], *e[2:]]))),
    ("first-altered", "The first event altered.", "Link",
     lambda a, e: edited(a, e, changed(e, 0, principal="service:other"))),
    ("middle-altered", "An event in the middle altered.", "Link",
     lambda a, e: edited(a, e, changed(e, 1, outcome="denied"))),
    ("middle-altered-by-its-writer", "An event altered before the mac was made.", "Link",
     lambda a, e: store_segment(a, changed(e, 1, outcome="denied"))),
    ("link-zeros", "A previous_hash in the middle is zeros.", "Link",
     lambda a, e: edited(a, e, changed(e, 1, previous_hash=ZERO_HASH))),
    ("last-link", "The last previous_hash has one bit flipped.", "Link",
     lambda a, e: edited(a, e, changed(e, 3, previous_hash=flip(e[3].previous_hash, -1)))),
    ("links-to-the-first", "Every event links to the first.", "Link",
     lambda a, e: edited(a, e, [*e[:2], *(replace(event, previous_hash=e[0].hash()) for event in e[2:])])),
    ("links-carried-over", "Every previous_hash is the first's.", "Link",
     lambda a, e: edited(a, e, [replace(event, previous_hash=e[0].previous_hash) for event in e])),
    ("spliced", "The beginning of one fork and the end of another.", "Link",
     lambda a, e: edited(a, e, [*fork(e, 1)[:2], *e[2:]])),
    ("last-altered", "The last event altered.", "Head",
     lambda a, e: edited(a, e, changed(e, 3, principal="service:other"))),
    ("all-altered-and-linked", "Events altered and linked anew.", "Head",
     lambda a, e: edited(a, e, fork(e, 0))),
    ("head-zeros-in-mac", "A head of zeros, and a mac for it.", "Head",
     lambda a, e: claiming(a, e, head_hash=ZERO_HASH)),
    ("head-of-the-event-before", "The hash of the last event but one as head, and a mac for it.", "Head",
     lambda a, e: claiming(a, e, head_hash=e[2].hash())),
    ("head-with-its-length", "A head that is the hash of the last event with its length, and a mac for it.",
     "Head",
     lambda a, e: claiming(a, e, head_hash=sha256(lp(e[-1].encode())))),
    ("head-last-bit-in-mac", "One bit of the head flipped, and a mac for it.", "Head",
     lambda a, e: claiming(a, e, head_hash=flip(e[-1].hash(), -1))),
    # Two things wrong: the first check in order decides, over all events before the next begins.
    ("malformed-before-wrong-key", "Malformed and of another key.", "Malformed",
     lambda a, e: replace(store_segment(a, e), events=encoded(e)[:-1], audit_kek_id=bytes(16))),
    ("malformed-last-before-mac", "The last event malformed, and the mac wrong.", "Malformed",
     lambda a, e: replace(store_segment(a, changed(e, 3, outcome="")), mac=bytes(32))),
    ("wrong-key-before-mac", "Of another key, and the mac wrong.", "WrongKey",
     lambda a, e: replace(store_segment(a, e), audit_kek_id=bytes(16), mac=bytes(32))),
    ("mac-before-count", "The mac wrong and an event removed.", "Mac",
     lambda a, e: replace(edited(a, e, e[:3]), mac=bytes(32))),
    ("mac-before-foreign", "The mac wrong and an event of another chain.", "Mac",
     lambda a, e: replace(edited(a, e, changed(e, 1, chain="other")), mac=bytes(32))),
    ("count-before-foreign", "An event removed and one of another chain.", "Count",
     lambda a, e: edited(a, e, changed(e, 1, chain="other")[:3])),
    ("foreign-last-before-sequence-second", "The second sequence wrong and the last event foreign.",
     "Foreign",
     lambda a, e: store_segment(a, changed(changed(e, 1, sequence=9), 3, chain="other"))),
    ("foreign-last-before-link-second", "The second link wrong and the last event foreign.", "Foreign",
     lambda a, e: store_segment(a, changed(changed(e, 1, previous_hash=ZERO_HASH), 3, chain="other"))),
    ("sequence-last-before-link-second", "The second link wrong and the last sequence.", "Sequence",
     lambda a, e: store_segment(a, changed(changed(e, 1, previous_hash=ZERO_HASH), 3, sequence=9))),
    ("sequence-before-head", "The last sequence wrong and the head.", "Sequence",
     lambda a, e: edited(a, e, linked(changed(e, 3, sequence=9)))),
    ("link-before-head", "A link wrong and the head.", "Link",
     lambda a, e: claiming(a, changed(e, 2, previous_hash=ZERO_HASH), head_hash=ZERO_HASH)),
]  # fmt: skip


def segment_refused_scenarios() -> Iterator[Json]:
    def refused(
        what: str,
        about: str,
        error: str,
        make: MakeSegment = store_segment,
        asked: Callable[[Asked], Asked] = lambda asked: asked,
        count: int = 4,
        first: int = 7,
    ) -> Json:
        name = f"segment-refused-{what}"
        writer = asked_of(name, first=first)
        events = run(name, writer, count)
        require(read_segment(writer, store_segment(writer, events)) == events, "does not read")
        fields = {**asked_json(asked(writer)), "stored": stored_json(make(writer, events)), "error": error}
        return scenario("segment-refused", what, about, fields)

    for what, about, error, make in SEGMENTS_REFUSED:
        yield refused(what, about, error, make)

    readers: dict[str, tuple[str, str, Callable[[Asked], Asked]]] = {
        "asked-with-another-kek": ("The audit KEK at hand is another.", "WrongKey",
                                   lambda a: replace(a, kek=kek_of("another"))),
        "asked-with-another-key": ("The audit KEK at hand has the right id and is another key.", "Mac",
                                   lambda a: replace(a, kek=Kek(a.kek.id, flip(a.kek.key, -1)))),
        "asked-in-another-namespace": ("Asked for in another namespace.", "Mac",
                                       lambda a: replace(a, namespace="test")),
        "asked-in-another-chain": ("Moved to another chain.", "Mac", lambda a: replace(a, chain="other")),
        "asked-in-chain-by-case": ("Moved to a chain whose name differs by case.", "Mac",
                                   lambda a: replace(a, chain="Main")),
        "asked-for-another-first": ("Moved to another sequence.", "Mac", lambda a: replace(a, first=8)),
        "asked-for-first-0": ("Moved to the beginning of the chain.", "Mac", lambda a: replace(a, first=0)),
        "asked-with-a-boundary-moved": ("A letter moved from namespace to chain.", "Mac",
                                        lambda a: replace(a, namespace="pro", chain="dmain")),
    }  # fmt: skip
    for what, (about, error, asked) in readers.items():
        yield refused(what, about, error, asked=asked)

    one = "The only event altered."
    yield refused(
        "one-event-altered", one, "Head", lambda a, e: edited(a, e, changed(e, 0, reason="x")), count=1
    )
    one = "The only event stored twice."
    yield refused("one-event-repeated", one, "Count", lambda a, e: edited(a, e, e * 2), count=1)
    one = "The only event has another sequence."
    yield refused(
        "one-event-sequence",
        one,
        "Sequence",
        lambda a, e: store_segment(a, changed(e, 0, sequence=8)),
        count=1,
    )
    one = "The only event names another chain."
    yield refused(
        "one-event-foreign", one, "Foreign", lambda a, e: store_segment(a, changed(e, 0, chain="b")), count=1
    )
    about = "After the highest sequence comes 0, and all is linked."
    yield refused(
        "sequence-overflows", about, "Sequence", first=U64_MAX - 1, count=2,
        make=lambda a, e: store_segment(a, linked([*e, replace(e[1], sequence=0)])),
    )  # fmt: skip


# ==================================================================================================
# Scenarios: tombstones
# ==================================================================================================


def key_ids(name: str, count: int) -> bytes:
    """The ids of a tenant's keys, of all its versions."""
    return b"".join(kek_of(name, f"kek {version}").id for version in range(1, count + 1))


def a_tombstone(name: str, keys: int = 2, **changes: Any) -> tuple[Kek, Tombstone]:
    """The audit KEK at hand, and a tombstone in the place of so many keys."""
    tombstone = Tombstone("prod", "alice", TIMESTAMP_TEXT, key_ids(name, keys))
    return kek_of(name, "audit kek"), replace(tombstone, **changes)


def tombstone_scenarios() -> Iterator[Json]:
    low, high = bytes(15) + b"\x01", b"\xff" * 16
    rows: dict[str, tuple[str, int, Json]] = {
        "no-keys": ("A tenant that had no key.", 0, {}),
        "one-key": ("A tenant with one key.", 1, {}),
        "two-keys": ("A tenant with two keys.", 2, {}),
        "97-keys": ("The most keys that can be erased.", 97, {}),
        "ids-ascending": ("Ids that ascend with their versions.", 0, {"kek_ids": low + high}),
        "ids-descending": ("Ids that descend while their versions ascend.", 0, {"kek_ids": high + low}),
        "names-of-one-byte": ("The shortest names.", 1, {"namespace": "!", "tenant": "~"}),
        "names-maximal": ("The longest names.", 1, {"namespace": "n" * 255, "tenant": "t" * 255}),
        "names-all-characters": ("Every character that a name may have.", 1, {
            "namespace": VISIBLE, "tenant": VISIBLE}),
        "boundary-namespace-ab-tenant-c": ("One of a pair that would run together.", 0,
                                           {"namespace": "ab", "tenant": "c"}),
        "boundary-namespace-a-tenant-bc": ("The other of the pair.", 0, {"namespace": "a", "tenant": "bc"}),
        "time-of-seconds": ("A time without a fraction.", 1, {"time": "2026-01-02T03:04:05Z"}),
        "time-of-nanoseconds": ("A time with nine digits.", 1, {"time": "2026-01-02T03:04:05.678901234Z"}),
        "time-with-offset": ("A time with an offset.", 1, {"time": "2026-01-02T08:34:05.678901+05:30"}),
    }  # fmt: skip
    cases = {what: (about, *a_tombstone(f"tombstone-{what}", keys, **changes))
             for what, (about, keys, changes) in rows.items()}  # fmt: skip
    _, plain = a_tombstone("tombstone-zeros", 0, kek_ids=bytes(16))
    cases["zeros"] = ("Audit KEK and all ids of zeros.", Kek(bytes(16), bytes(32)), plain)
    ones = Kek(b"\xff" * 16, b"\xff" * 32)
    cases["ones"] = ("Audit KEK and all ids of one bits.", ones, replace(plain, kek_ids=b"\xff" * 16))
    for what, (about, kek, tombstone) in cases.items():
        fields = {**tombstone_json(kek, tombstone), "expected": expected_tombstone(kek, tombstone)}
        yield scenario("tombstone", what, about, fields)


def forge_tombstone_mac(
    kek: Kek,
    tombstone: Tombstone,
    *,
    label: bytes = b"bes1/tombstone",
    key_label: bytes = b"bes1/tombstone-mac",
    id: bytes | None = None,
    texts: Callable[[list[bytes]], list[bytes]] = lambda texts: [lp(text) for text in texts],
    kek_ids: Callable[[bytes], bytes] = lambda kek_ids: kek_ids,
) -> bytes:
    """Makes a mac as `tombstone_mac` does, consistently, but for the one thing that an argument changes."""
    named = texts([utf8(text) for text in (tombstone.namespace, tombstone.tenant, tombstone.time)])
    message = label + (kek.id if id is None else id) + b"".join(named) + kek_ids(tombstone.kek_ids)
    return hmac.digest(hkdf_expand(kek.key, key_label, 32), message, "sha256")


def tombstone_refused_scenarios() -> Iterator[Json]:
    def refused(
        what: str,
        about: str,
        make: Callable[[Kek, Tombstone], bytes] = tombstone_mac,
        asked: Callable[[Kek, Tombstone], tuple[Kek, Tombstone]] = lambda kek, tombstone: (kek, tombstone),
    ) -> Json:
        kek, tombstone = a_tombstone(f"tombstone-refused-{what}")
        require(made_tombstone(kek, tombstone, tombstone_mac(kek, tombstone)), "does not fit")
        fields = {**tombstone_json(*asked(kek, tombstone)), "mac": make(kek, tombstone).hex()}
        return scenario("tombstone-refused", what, about, fields)

    bits = {"first": (0, 0x80), "last": (31, 0x01)}
    for what, (offset, bit) in bits.items():
        about = f"The mac's {what} bit flipped."
        yield refused(f"mac-{what}-bit", about, lambda k, t: flip(tombstone_mac(k, t), offset, bit))

    readers: dict[str, tuple[str, Callable[[Kek, Tombstone], tuple[Kek, Tombstone]]]] = {
        "another-audit-kek": ("Another audit KEK.", lambda k, t: (kek_of("another"), t)),
        "audit-kek-bit": ("The right audit KEK's id, and a key that differs by one bit.",
                          lambda k, t: (Kek(k.id, flip(k.key, -1)), t)),
        "audit-kek-id-bit": ("The right audit KEK, and an id that differs by one bit.",
                             lambda k, t: (Kek(flip(k.id, 0), k.key), t)),
        "namespace": ("In another namespace.", lambda k, t: (k, replace(t, namespace="test"))),
        "tenant": ("Moved to another tenant.", lambda k, t: (k, replace(t, tenant="bob"))),
        "names-exchanged": ("Namespace and tenant exchanged.",
                            lambda k, t: (k, replace(t, namespace=t.tenant, tenant=t.namespace))),
        "boundary-namespace": ("A letter moved from namespace to tenant.",
                               lambda k, t: (k, replace(t, namespace="pro", tenant="dalice"))),
        "boundary-tenant": ("A digit moved from time to tenant.",
                            lambda k, t: (k, replace(t, tenant="alice2", time=t.time[1:]))),
        "boundary-time": ("The last 16 bytes of the time as the first key's id.",
                          lambda k, t: (k, replace(t, time=t.time[:-16],
                                                   kek_ids=utf8(t.time[-16:]) + t.kek_ids))),
        "id-of-audit-kek": ("The audit KEK's id among those of the keys.",
                            lambda k, t: (k, replace(t, kek_ids=k.id + t.kek_ids))),
        "time": ("The time is a second later.",
                 lambda k, t: (k, replace(t, time="2026-01-02T03:04:06.678901Z"))),
        "time-same-moment": ("The same moment in another text.",
                             lambda k, t: (k, replace(t, time="2026-01-02T03:04:05.678901+00:00"))),
        "ids-exchanged": ("Two ids exchanged.",
                          lambda k, t: (k, replace(t, kek_ids=t.kek_ids[16:] + t.kek_ids[:16]))),
        "id-bit": ("An id differs by one bit.", lambda k, t: (k, replace(t, kek_ids=flip(t.kek_ids, -1)))),
        "id-more": ("A key more.",
                    lambda k, t: (k, replace(t, kek_ids=t.kek_ids + kek_of("another").id))),
        "id-fewer": ("A key fewer.", lambda k, t: (k, replace(t, kek_ids=t.kek_ids[:-16]))),
        "ids-gone": ("All ids gone.", lambda k, t: (k, replace(t, kek_ids=b""))),
    }  # fmt: skip
    for what, (about, asked) in readers.items():
        yield refused(what, about, asked=asked)

    forge = forge_tombstone_mac
    rows: list[tuple[str, str, Callable[[Kek, Tombstone], bytes]]] = [
        ("mac-of-another-label", "Made under the label of segments.",
         lambda k, t: forge(k, t, label=b"bes1/segment")),
        ("key-of-another-label", "Made with the key of segments' macs.",
         lambda k, t: forge(k, t, key_label=b"bes1/audit-mac")),
        ("mac-by-the-kek-itself", "Made with the audit KEK itself.",
         lambda k, t: hmac.digest(k.key, t.message(k.id), "sha256")),
        ("hash-and-no-mac", "The SHA-256 of the same bytes, which takes no key.",
         lambda k, t: sha256(t.message(k.id))),
        ("mac-without-audit-kek-id", "Made without the audit KEK's id.",
         lambda k, t: forge(k, t, id=b"")),
        ("mac-without-lengths", "Made without lengths.", lambda k, t: forge(k, t, texts=lambda texts: texts)),
        ("mac-tenant-before-namespace", "Made with the tenant before the namespace.",
         lambda k, t: forge(k, t, texts=lambda texts: [lp(text) for text in (texts[1], texts[0], texts[2])])),
        ("mac-ids-with-length", "Made with the length of the ids.", lambda k, t: forge(k, t, kek_ids=lp)),
    ]  # fmt: skip
    plain = a_tombstone("tombstone-refused")
    require(forge(*plain) == tombstone_mac(*plain), "forging nothing gives another mac")
    for what, about, make in rows:
        yield refused(what, about, make)


# ==================================================================================================
# Scenarios: signed notes
# ==================================================================================================

# From the documentation and the tests of golang.org/x/mod/sumdb/note.
PETER_PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
PETERS_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
ENOCHS_LINE = (
    "\u2014 EnochRoot "
    "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ="
)
# sum.golang.org's key, as cmd/go has it, and a note of it, as x/mod's users have it in their tests.
SUMDB = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB_TEXT = "go.sum database tree\n30055305\nmXfgRcJ0bG0j3CPdKwgGWtUzBUbX67saZGRmFuJGGsM=\n"
SUMDB_LINE = (
    "\u2014 sum.golang.org "
    "Az3grpgEild5qw7+5dtV13Kf1C2Xurm8q4fhdxvcsDHnqNTaxL2AFjBY+2TyGKevucFcAAlWFJJYle3EJlDCrQ+y3A8="
)
# The example of C2SP's signed-note, whose key is not published.
C2SP_NOTE = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned \u00e8 subito sera.\n\n"
    "\u2014 quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)
TEXT = "One line.\n\nAnother one.\n"


def note_key(scenario_name: str, label: str = "key", name: str = "bes/prod") -> PrivateKey:
    return PrivateKey(name, secret(scenario_name, label))


def note_key_scenarios() -> Iterator[Json]:
    def made(what: str, about: str, private: PrivateKey) -> Json:
        fields = {"private": private.text(), "expected": expected_note_key(private)}
        return scenario("note-key", what, about, fields)

    peter = read_private_key(PETER_PRIVATE)
    require(peter.public == read_public_key(PETER), "is not Go's public key")
    yield made("go-documentation", "The key of the documentation of Go's package note.", peter)
    seeds = {"zeros": bytes(32), "ones": b"\xff" * 32, "counting": bytes(range(32))}
    for what, seed in seeds.items():
        yield made(f"seed-{what}", f"A seed of {what}.", PrivateKey("bes/prod", seed))
    names = {
        "of-one-character": ("x", "The shortest name."),
        "of-punctuation": ("a-b_c.d/e:f=g!~%", "A name of punctuation."),
        "unicode": ("\u0410\u043b\u0438\u0441\u0430.\U0001f600", "A name beyond ASCII."),
        "zero-width": ("a\u200bb\ufeffc", "A zero-width space and a byte order mark are no spaces."),
        "controls": ("a\u007fb\u009fc", "Control characters from U+007F on are allowed."),
        "long": ("n" * 2_000, "A name of 2,000 bytes."),
        "private-key": ("PRIVATE", "A name that looks like the beginning of a private key."),
    }
    for what, (name, about) in names.items():
        yield made(f"name-{what}", about, note_key(f"note-key-name-{what}", name=name))


def key_refused_scenarios() -> Iterator[Json]:
    def written(prefix: str, name: str, id: str, encoded: str) -> str:
        return f"{prefix}{name}+{id}+{encoded}"

    def both(what: str, about: str, error: str, change: Callable[..., str]) -> Iterator[Json]:
        """The change to a key as it is written, private and public. It gets prefix, name, id and data, and
        what makes an id of a name and data."""
        for kind, field in (("private-key-refused", "private"), ("public-key-refused", "public")):
            private = note_key(f"{kind}-{what}")
            prefix = "PRIVATE+KEY+" if field == "private" else ""
            data = ED25519 + (private.seed if field == "private" else private.public.key)
            make = lambda name, data: sha256(utf8(name) + b"\n" + data).hex()[:8]  # noqa: E731
            if field == "private":
                make = lambda name, data: PrivateKey(name, data[1:33]).public.id.hex()  # noqa: E731
            text = change(prefix, private.name, private.public.id.hex(), data, make)
            yield scenario(kind, what, about, {field: text, "error": error})

    def named(name: str) -> Callable[..., str]:
        return lambda p, n, i, d, id_of: written(p, name, id_of(name, d), base64_text(d))

    def encoded(change: Callable[[str], str]) -> Callable[..., str]:
        return lambda p, n, i, d, id_of: written(p, n, i, change(base64_text(d)))

    rows: list[tuple[str, str, str, Callable[..., str]]] = [
        ("empty", "Nothing.", "Malformed", lambda p, n, i, d, id_of: ""),
        ("name-alone", "A name and nothing else.", "Malformed", lambda p, n, i, d, id_of: p + n),
        ("name-and-id-alone", "No key.", "Malformed", lambda p, n, i, d, id_of: f"{p}{n}+{i}"),
        ("without-id", "No id.", "Malformed",
         lambda p, n, i, d, id_of: f"{p}{n}+{base64_text(d).replace('+', '/')}"),
        ("with-a-space-for-a-plus", "A space divides name and id.", "Malformed",
         lambda p, n, i, d, id_of: f"{p}{n} {i}+{base64_text(d).replace('+', '/')}"),
        ("newline-after", "A newline at the end.", "Malformed", encoded(lambda text: text + "\n")),
        ("space-after", "A space at the end.", "Malformed", encoded(lambda text: text + " ")),
        ("base64-empty", "No data.", "Malformed", encoded(lambda text: "")),
        ("base64-of-32-bytes", "The key without its type.", "Malformed",
         lambda p, n, i, d, id_of: written(p, n, i, base64_text(d[1:]))),
        ("base64-of-34-bytes", "A byte more.", "Malformed",
         lambda p, n, i, d, id_of: written(p, n, i, base64_text(d + b"\x00"))),
        ("base64-of-65-bytes", "Seed and public key.", "Malformed",
         lambda p, n, i, d, id_of: written(p, n, i, base64_text(d + bytes(32)))),
        ("base64-padded", "44 characters, one of them padding: 32 bytes.", "Malformed",
         lambda p, n, i, d, id_of: written(p, n, i, base64_text(d[:32]))),
        ("base64-of-urls", "A character of the alphabet for URLs.", "Malformed",
         encoded(lambda text: text[:-1] + "_")),
        ("base64-with-a-space", "A space within.", "Malformed",
         encoded(lambda text: text[:9] + " " + text[10:])),
        ("hexadecimal", "Hexadecimal in place of base 64.", "Malformed",
         lambda p, n, i, d, id_of: written(p, n, i, d.hex())),
        ("type-0", "Type 0.", "Type",
         lambda p, n, i, d, id_of: written(p, n, i, base64_text(b"\x00" + d[1:]))),
        ("type-ecdsa", "Type 2, with the id of that.", "Type",
         lambda p, n, i, d, id_of: written(p, n, id_of(n, b"\x02" + d[1:]), base64_text(b"\x02" + d[1:]))),
        ("type-cosignature", "Type 4.", "Type",
         lambda p, n, i, d, id_of: written(p, n, i, base64_text(b"\x04" + d[1:]))),
        ("type-ascii", "Type 1 in ASCII.", "Type",
         lambda p, n, i, d, id_of: written(p, n, i, base64_text(b"1" + d[1:]))),
        ("name-empty", "No name.", "Name", named("")),
        ("name-with-a-space", "A space in the name.", "Name", named("bes prod")),
        ("name-with-a-tab", "A tab in the name.", "Name", named("bes\tprod")),
        ("name-with-a-newline", "A newline in the name.", "Name", named("bes\nprod")),
        ("name-with-a-zero-byte", "A zero byte in the name.", "Name", named("bes\u0000prod")),
        ("name-with-a-control-character", "U+001F in the name.", "Name", named("bes\u001fprod")),
        ("name-with-a-next-line", "U+0085 in the name.", "Name", named("bes\u0085prod")),
        ("name-with-a-no-break-space", "U+00A0 in the name.", "Name", named("bes\u00a0prod")),
        ("name-with-an-en-quad", "U+2000 in the name.", "Name", named("bes\u2000prod")),
        ("name-with-a-line-separator", "U+2028 in the name.", "Name", named("bes\u2028prod")),
        ("name-with-an-ideographic-space", "U+3000 in the name.", "Name", named("\u3000")),
        ("name-with-a-plus", "A plus in the name: id and key begin too early.", "Malformed",
         named("bes+prod")),
        ("id-empty", "An empty id.", "Id", lambda p, n, i, d, id_of: written(p, n, "", base64_text(d))),
        ("id-bit-flipped", "One bit of the id wrong.", "Id",
         lambda p, n, i, d, id_of: written(p, n, flip(bytes.fromhex(i), 3).hex(), base64_text(d))),
        ("id-of-7-digits", "A digit of the id missing.", "Id",
         lambda p, n, i, d, id_of: written(p, n, i[:-1], base64_text(d))),
        ("id-of-9-digits", "A zero before the id.", "Id",
         lambda p, n, i, d, id_of: written(p, n, "0" + i, base64_text(d))),
        ("id-of-another-name", "The id of the same key under another name.", "Id",
         lambda p, n, i, d, id_of: written(p, n, id_of("bes/test", d), base64_text(d))),
        ("type-before-name", "Another type and no name.", "Type",
         lambda p, n, i, d, id_of: written(p, "", i, base64_text(b"\x02" + d[1:]))),
        ("name-before-id", "A space in the name, and an id of zeros.", "Name",
         lambda p, n, i, d, id_of: written(p, "a b", "00000000", base64_text(d))),
    ]  # fmt: skip
    for row in rows:
        yield from both(*row)
    capitals = read_public_key(PETER)
    yield scenario("public-key-refused", "id-in-capitals", "The id in capitals.", {
        "public": written("", capitals.name, capitals.id.hex().upper(), base64_text(ED25519 + capitals.key)),
        "error": "Id"})  # fmt: skip
    yield scenario("public-key-refused", "private", "A private key.", {
        "public": note_key("public-key-refused-private").text(), "error": "Malformed"})  # fmt: skip
    yield scenario("private-key-refused", "public", "A public key.", {
        "private": note_key("private-key-refused-public").public.text(), "error": "Malformed"})  # fmt: skip
    yield scenario("private-key-refused", "prefix-in-lower-case", "private+key+ in lower case.", {
        "private": note_key("private-key-refused-prefix").text().replace("PRIVATE+KEY", "private+key"),
        "error": "Malformed"})  # fmt: skip
    as_public = PublicKey("bes/prod", secret("private-key-refused-id-of-the-seed", "key"))
    yield scenario("private-key-refused", "id-of-the-seed", "The id of the seed, as if it were public.", {
        "private": "PRIVATE+KEY+" + as_public.text(), "error": "Id"})  # fmt: skip


def note_scenarios() -> Iterator[Json]:
    def made(
        what: str, about: str, text: str, signatures: Sequence[PrivateKey | str], known: Sequence[str]
    ) -> Json:
        """Signatures by keys, or lines as they are."""
        given = [{"line": of} if isinstance(of, str) else {"private": of.text()} for of in signatures]
        expected = expected_note(text, given, known)
        return scenario("note", what, about, {
            "text": text, "signatures": given, "known": list(known), "expected": expected})  # fmt: skip

    peter = read_private_key(PETER_PRIVATE)
    one = "The note of Go's documentation"
    yield made("go-documentation", f"{one}.", PETERS_TEXT, [peter], [PETER])
    yield made(
        "go-two-signatures",
        f"{one}, with its second signature.",
        PETERS_TEXT,
        [peter, ENOCHS_LINE],
        [PETER, ENOCH],
    )
    yield made(
        "go-second-known",
        f"{one}, of which the second key is known.",
        PETERS_TEXT,
        [peter, ENOCHS_LINE],
        [ENOCH],
    )
    yield made("go-checksum-database", "A note of Go's checksum database.", SUMDB_TEXT, [SUMDB_LINE], [SUMDB])

    texts = {
        "newline": ("\n", "The shortest text."),
        "newlines": ("\n\n\n", "A text of empty lines."),
        "ends-in-an-empty-line": ("a\n\n", "A text that ends in an empty line."),
        "like-a-note": (C2SP_NOTE, "A text that is a note itself."),
        "unicode": (
            "\u0410 \U0001f469\u200d\U0001f52c \u05d0\u202e e\u0301 \u2014\n",
            "A text of many scripts.",
        ),
        "controls": ("\u007f\u0085\u009f\ufeff\n", "Control characters from U+007F on are allowed."),
        "spaces": (" a \u00a0\n \n", "Spaces, and a line of one."),
        "long": ("long line " * 1_000 + "\n", "A text of 10,001 bytes."),
    }
    for what, (text, about) in texts.items():
        key = note_key(f"note-text-{what}")
        yield made(f"text-{what}", about, text, [key], [key.public.text()])

    key, other = note_key("note-keys"), note_key("note-keys", "other", "example.com/witness")
    public = key.public.text()
    sixteen = [note_key("note-keys", f"of {index}", f"example.com/{index}") for index in range(15)]
    stranger = signature_line("example.com/witness", secret("note-keys", "stranger", 68))[:-1]
    short = signature_line("x", b"\x00\x00\x00\x00\x00")[:-1]
    long = signature_line("post-quantum", secret("note-keys", "id", 4) + bytes(range(256)) * 18)[:-1]
    namesake = signature_line(key.name, flip(key.public.id, 0) + key.sign(utf8(TEXT)))[:-1]
    twin = signature_line("bes/test", key.public.id + bytes(64))[:-1]
    own = key.line(TEXT)[:-1]
    rows: dict[str, tuple[str, Sequence[PrivateKey | str], Sequence[str]]] = {
        "two-keys": ("Signed by two known keys.", [key, other], [public, other.public.text()]),
        "two-keys-known-otherwise": ("Signers come in the order of the signatures.", [key, other],
                                     [other.public.text(), public]),
        "first-known": ("Signed by two, of which the first is known.", [key, other], [public]),
        "second-known": ("Signed by two, of which the second is known.", [key, other], [other.public.text()]),
        "known-that-did-not-sign": ("A known key that did not sign.", [key], [other.public.text(), public]),
        "known-twice": ("A key that is known twice.", [key], [public, public]),
        "signed-twice": ("The same signature twice.", [key, own], [public]),
        "stranger-before": ("A stranger's signature before it.", [stranger, key], [public]),
        "stranger-after": ("A stranger's signature after it.", [key, stranger], [public]),
        "stranger-of-one-byte": ("A stranger's signature of one byte.", [key, short], [public]),
        "stranger-of-4608-bytes": ("A stranger's signature of 4,608 bytes.", [key, long], [public]),
        "stranger-of-the-name": ("A signature with the key's name and another id.", [namesake, key],
                                 [public]),
        "stranger-of-the-id": ("A signature with the key's id and another name.", [twin, key], [public]),
        "sixteen": ("Sixteen signatures.", [*sixteen, key], [public]),
        "hundred": ("A hundred signatures.", [*([stranger] * 99), key], [public]),
    }  # fmt: skip
    for what, (about, signatures, known) in rows.items():
        yield made(what, about, TEXT, signatures, known)


ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493  # RFC 8032 §5.1


def note_refused_scenarios() -> Iterator[Json]:
    key = note_key("note-refused")
    public, line, id = key.public, key.line(TEXT), key.public.id
    other = note_key("note-refused", "other", "example.com/witness")
    signature = key.sign(utf8(TEXT))
    good = TEXT + "\n" + line

    def refused(
        what: str, about: str, error: str, note: str | bytes, known: Sequence[PublicKey] = (public,)
    ) -> Json:
        data = note if isinstance(note, bytes) else utf8(note)
        require(open_note(utf8(good), [public]) == (TEXT, [public]), "does not open")
        return scenario("note-refused", what, about, {
            "note": data.hex(), "known": [one.text() for one in known], "error": error})  # fmt: skip

    def under(line: str) -> str:
        return TEXT + "\n" + line

    def signed(data: bytes) -> str:
        return under(signature_line(key.name, id + data))

    encoded = base64_text(id + signature)
    malformed: dict[str, tuple[str, str | bytes]] = {
        "empty": ("Nothing.", ""),
        "newline": ("A newline.", "\n"),
        "newlines": ("Newlines.", "\n\n\n"),
        "text-alone": ("A text.", "One line.\n"),
        "without-signatures": ("A text and an empty line.", TEXT + "\n"),
        "without-empty-line": ("No empty line at all.", "One line.\n" + line),
        "signatures-alone": ("An empty line and a signature.", "\n" + line),
        "without-final-newline": ("No newline ends it.", good[:-1]),
        "newline-after": ("A newline more at the end.", good + "\n"),
        "line-after": ("A line after the signatures.", good + "More.\n"),
        "line-between": ("A line between two signatures.", good + "More.\n" + line),
        "carriage-returns": ("Lines end in CR LF.", good.replace("\n", "\r\n")),
        "carriage-return-at-the-end": ("A CR before the last newline.", good[:-1] + "\r\n"),
        "tab-in-text": ("A tab in the text.", good.replace("One line", "One\tline")),
        "zero-byte-in-text": ("A zero byte in the text.", good.replace("One line", "One\u0000line")),
        "escape-in-text": ("An escape character in the text.", good.replace("One", "\u001b[1mOne")),
        "unit-separator-in-text": ("U+001F in the text.", good.replace("One", "\u001fOne")),
        "control-after-signatures": ("U+001F at the end.", good + "\u001f"),
        "bad-utf-8": ("The byte 0xff in the text.", utf8(good).replace(b"One", b"\xff")),
        "utf-8-surrogate": ("A surrogate in the text.", utf8(good).replace(b"One", b"\xed\xa0\x80")),
        "utf-8-overlong": ("An overlong newline in the text.", utf8(good).replace(b"One", b"\xc0\x8a")),
        "utf-8-cut": ("A cut dash at the end.", utf8(good) + b"\xe2\x80"),
        "utf-16": ("UTF-16.", good.encode("utf-16-le")),
        "hyphen": ("A hyphen for the dash.", under(line.replace("\u2014", "-"))),
        "two-hyphens": ("Two hyphens for the dash.", under(line.replace("\u2014", "--"))),
        "en-dash": ("An en dash for the dash.", under(line.replace("\u2014", "\u2013"))),
        "dash-without-space": ("No space after the dash.", under(line.replace("\u2014 ", "\u2014"))),
        "dash-and-no-break-space": ("U+00A0 after the dash.", under(line.replace("\u2014 ", "\u2014\u00a0"))),
        "dash-and-two-spaces": ("Two spaces after the dash.", under(line.replace("\u2014 ", "\u2014  "))),
        "space-before-dash": ("A space before the dash.", under(" " + line)),
        "dash-alone": ("A dash and a space.", under("\u2014 \n")),
        "name-alone": ("A name and no signature.", under("\u2014 bes/prod\n")),
        "name-and-space": ("A name, a space and no signature.", under("\u2014 bes/prod \n")),
        "without-name": ("A signature and no name.", under(f"\u2014 {encoded}\n")),
        "name-empty": ("An empty name.", under(f"\u2014  {encoded}\n")),
        "name-with-plus": ("A plus in a name.", under(f"\u2014 bes+prod {encoded}\n")),
        "name-with-en-quad": ("U+2000 in a name.", under(f"\u2014 bes\u2000prod {encoded}\n")),
        "name-with-next-line": ("U+0085 in a name.", under(f"\u2014 bes\u0085prod {encoded}\n")),
        "two-spaces": ("Two spaces before a signature.", under(line.replace("prod ", "prod  "))),
        "space-after-signature": ("A space after a signature.", under(line[:-1] + " \n")),
        "base64-unpadded": ("Base 64 without its padding.",
                            under(f"\u2014 bes/prod {encoded.rstrip('=')}\n")),
        "base64-padded-more": ("Base 64 with more padding.", under(f"\u2014 bes/prod {encoded}=\n")),
        "base64-left-over-bits": ("Base 64 with a bit set that is left over.",
                                  under(signature_line(key.name, id + signature).replace(
                                      encoded[-2:], chr(ord(encoded[-2]) + 1) + "="))),
        "base64-of-urls": ("The alphabet of base 64 for URLs.",
                           under(f"\u2014 bes/prod {'_' + encoded[1:]}\n")),
        "base64-with-a-space": ("A space in base 64.",
                                under(f"\u2014 bes/prod {encoded[:8]} {encoded[8:]}\n")),
        "hexadecimal": ("A signature in hexadecimal.", under(f"\u2014 bes/prod {(id + signature).hex()}=\n")),
        "signature-of-3-bytes": ("Less than a key's id.", under(signature_line(key.name, id[:3]))),
        "signature-of-4-bytes": ("A key's id alone.", under(signature_line(key.name, id))),
        "signature-of-no-bytes-by-a-stranger": ("A stranger's id alone.",
                                                good + signature_line("x", bytes(4))),
        "strangers-base64": ("A stranger's signature in no base 64.", good + "\u2014 x ?\n"),
        "101-signatures": ("A hundred and one signatures.", under(line * 101)),
        "malformed-before-signature": ("A bad signature, and then a line that is none.",
                                       signed(bytes(64)) + "More.\n"),
    }  # fmt: skip
    for what, (about, note) in malformed.items():
        yield refused(what, about, "Malformed", note)
    yield refused("malformed-before-unverified", "A line that is no signature, and no known key.",
        "Malformed",
                  good + "More.\n", ())  # fmt: skip

    s = int.from_bytes(signature[32:], "little")
    malleable = signature[:32] + (s + ED25519_ORDER).to_bytes(32, "little")
    forged: dict[str, tuple[str, str]] = {
        "text-changed": ("A letter of the text changed.", good.replace("One", "Ome")),
        "text-line-more": ("An empty line more in the text.", TEXT + "\n\n" + line),
        "text-line-less": ("An empty line less in the text.", good.replace("\n\nAn", "\nAn")),
        "text-byte-order-mark": ("A byte order mark before the text.", "\ufeff" + good),
        "text-normalised": ("A signature over the other normal form.", "e\u0301\n\n" + key.line("\u00e9\n")),
        "over-text-without-newline": ("A signature over the text without its newline.",
                                      signed(key.sign(utf8(TEXT[:-1])))),
        "over-text-and-empty-line": ("A signature over text and empty line.",
                                     signed(key.sign(utf8(TEXT + "\n")))),
        "over-the-hash": ("A signature over the text's hash.",
                          signed(key.sign(hashlib.sha512(utf8(TEXT)).digest()))),
        "by-another-key": ("Another key's signature under this one's name and id.",
                           signed(other.sign(utf8(TEXT)))),
        "bit-flipped-first": ("The first byte of the signature changed.", signed(flip(signature, 0))),
        "bit-flipped-in-r": ("The last byte of R changed.", signed(flip(signature, 31, 0x80))),
        "bit-flipped-in-s": ("The first byte of S changed.", signed(flip(signature, 32))),
        "bit-flipped-last": ("The last byte of S changed.", signed(flip(signature, 63, 0x10))),
        "malleable": ("S and the group's order: RFC 8032 \u00a75.1.7 refuses it.", signed(malleable)),
        "zeros": ("A signature of zeros.", signed(bytes(64))),
        "one-byte": ("A signature of one byte.", signed(signature[:1])),
        "cut": ("A signature without its last byte.", signed(signature[:-1])),
        "longer": ("A signature with a byte more.", signed(signature + b"\x00")),
        "bad-before-good": ("A bad signature, and a good one by the same key.", signed(bytes(64)) + line),
        "good-before-bad": ("A good signature, and a bad one by the same key.",
                            good + signature_line(key.name, id + bytes(64))),
        "empty-line-between": ("An empty line between two signatures: the first is text.",
                               good + "\n" + line),
    }  # fmt: skip
    for what, (about, text) in forged.items():
        yield refused(f"signature-{what}", about, "Signature", text)
    both = [public, other.public]
    yield refused("signature-of-the-second-key", "Two known keys, and the second one's signature bad.",
        "Signature",
                  good + signature_line(other.name, other.public.id + bytes(64)), both)  # fmt: skip
    yield refused("signature-of-the-first-key", "Two known keys, and the first one's signature bad.",
        "Signature",
                  signed(bytes(64)) + other.line(TEXT), both)  # fmt: skip
    yield refused("signature-go-other-text", "Go's signature over a changed text.", "Signature",
                  PETERS_TEXT.replace("your", "our") + "\n"
                  + read_private_key(PETER_PRIVATE).line(PETERS_TEXT),
                  [read_public_key(PETER)])  # fmt: skip

    unknown: dict[str, tuple[str, str, Sequence[PublicKey]]] = {
        "by-nobody": ("No key is known.", good, ()),
        "by-another": ("Another key is known.", good, [other.public]),
        "by-a-namesake": ("A key of the same name is known.",
                          good, [note_key("note-refused", "namesake").public]),
        "under-another-id": ("The signature says another id.",
                             under(signature_line(key.name, flip(id, 3) + signature)),
                             [public]),
        "under-another-name": ("The signature says another name.",
                               under(signature_line("bes/test", id + signature)),
                               [public]),
        "under-a-name-by-case": ("The signature's name differs by case.",
                                 under(signature_line("BES/prod", id + signature)), [public]),
        "c2sp-example": ("The example of C2SP's signed-note, whose key nobody published.", C2SP_NOTE,
                         [public]),
        "go-checksum-database": ("A note of Go's checksum database, to others.",
                                 f"{SUMDB_TEXT}\n{SUMDB_LINE}\n", [public]),
    }  # fmt: skip
    for what, (about, text, known) in unknown.items():
        yield refused(f"unverified-{what}", about, "Unverified", text, known)


# ==================================================================================================
# Scenarios: checkpoints
# ==================================================================================================


def some_head(name: str, chain: str, next: int) -> Head:
    return Head(next, secret(name, f"head of {chain} at {next}") if next else ZERO_HASH)


def a_checkpoint(name: str, **changes: Any) -> Checkpoint:
    """Of a name that several scenarios may share, so that their heads are the same."""
    checkpoint = Checkpoint(
        namespace="prod",
        time=TIMESTAMP_TEXT,
        table_id=str(uuid.UUID(bytes=uuid_bytes(name, "table", 4))),
        chains={chain: some_head(name, chain, next) for chain, next in (("main", 1_234), ("registry", 3))},
        shredded={"bob": "2025-12-31T23:59:59.000001Z"},
    )
    return replace(checkpoint, **changes)


def chains_of(name: str, **chains: int) -> dict[str, Head]:
    return {chain: some_head(name, chain, next) for chain, next in chains.items()}


def checkpoint_scenarios() -> Iterator[Json]:
    longest = "n" * 255
    writers = [
        str(uuid.UUID(bytes=uuid_bytes("checkpoint", f"writer {n}", 7, MILLISECONDS + n))) for n in range(40)
    ]
    ascending = ["!", "A", "AA", "Z", "a", "a!", "a-b", "aa", "ab", "b", "~"]
    times = {f"chain{index}": time for index, time in enumerate(
        ("0000-01-01T00:00:00.000000Z", "2024-02-29T12:00:00.100000Z",
         "9999-12-31T23:59:59.999999Z"))}  # fmt: skip
    rows: dict[str, tuple[str, Json]] = {
        "example": ("The example of docs/audit.md.", {}),
        "empty": ("A store of which nothing is known yet.", {"table_id": None, "chains": {}, "shredded": {}}),
        "without-table": ("A service that gives tables no id.", {"table_id": None}),
        "without-chains": ("No chains.", {"chains": {}}),
        "without-shredded": ("Nobody was shredded.", {"shredded": {}}),
        "chain-without-events": ("A chain without events has a head of zeros.",
                                 {"chains": chains_of("checkpoint", main=0)}),
        "chain-of-one-event": ("A chain of one event.", {"chains": chains_of("checkpoint", main=1)}),
        "head-ones": ("A head of one bits.", {"chains": {"main": Head(7, b"\xff" * 32)}}),
        "events-maximal": ("As many events as there can be.", {"chains": {
            "a": Head(U64_MAX - 1, b"\x01" * 32), "b": Head(1, b"\x02" * 32)}}),
        "events-above-2-53": ("A number that a double cannot hold.",
                              {"chains": {"a": Head(2**53 + 1, b"\x01" * 32)}}),
        "events-above-i64": ("A number that an i64 cannot hold.",
                             {"chains": {"a": Head(2**63, b"\x01" * 32)}}),
        "chains-per-writer": ("Forty writers' chains, not in order.", {"chains": {
            chain: some_head("checkpoint", chain, n + 1) for n, chain in reversed(list(enumerate(writers)))
        }}),
        "chains-ascending": ("Chains are ascending by the bytes of their names.", {"chains": {
            chain: some_head("checkpoint", chain, 5) for chain in sorted(ascending, reverse=True)}}),
        "shredded-ascending": ("Tenants are ascending by the bytes of their names.", {
            "shredded": {tenant: TIMESTAMP_TEXT for tenant in sorted(ascending, reverse=True)}}),
        "shredded-times": ("Times of many ages.", {"shredded": times}),
        "shredded-later": ("Shredded after the checkpoint's time, by somebody's clock.", {
            "shredded": {"bob": "2026-01-02T03:04:05.678902Z"}}),
        "names-of-words": ("Names that are the words of the format.", {
            "namespace": "bes", "table_id": "table",
            "chains": chains_of("checkpoint", chain=1, shredded=2, time=3),
            "shredded": {"shredded": TIMESTAMP_TEXT, "chain": TIMESTAMP_TEXT}}),
        "names-maximal": ("The longest names.", {
            "namespace": longest, "table_id": longest, "chains": chains_of("checkpoint", **{longest: 1}),
            "shredded": {longest: TIMESTAMP_TEXT}}),
        "names-minimal": ("The shortest names.", {
            "namespace": "x", "table_id": "x", "chains": chains_of("checkpoint", x=1),
            "shredded": {"x": TIMESTAMP_TEXT}}),
        "namespace-with-plus": ("A namespace that cannot be the name of a key.", {"namespace": "a+b%2B"}),
        "table-id-of-punctuation": ("A table's id may hold what no name may.", {"table_id": "!#/~+"}),
        "time-first": ("The first time.", {"time": "0000-01-01T00:00:00.000000Z"}),
        "time-last": ("The last time.", {"time": "9999-12-31T23:59:59.999999Z"}),
        "time-leap-day": ("A leap day.", {"time": "2024-02-29T23:59:59.000000Z"}),
    }  # fmt: skip
    for what, (about, changes) in rows.items():
        checkpoint = a_checkpoint("checkpoint", **changes)
        private = note_key(f"checkpoint-{what}", name=checkpoint.key_name())
        yield scenario("checkpoint", what, about, {
            **checkpoint_json(checkpoint), "private": private.text(),
            "expected": expected_checkpoint(checkpoint, private)})  # fmt: skip


def checkpoint_refused_scenarios() -> Iterator[Json]:
    good = a_checkpoint("checkpoint-refused")
    text, lines = good.text(), good.lines()
    time, table, main, registry, bob = lines
    origin, events = "bes/prod", "1237"
    eve = bob.replace("bob", "eve")
    require(read_checkpoint(text) == good and checkpoint_text(origin, events, lines) == text, "does not read")

    def of(*lines: str, events: str = events, origin: str = origin) -> str:
        return checkpoint_text(origin, events, lines)

    first_three, rest = text.split("\n")[:3], text.split("\n", 3)[3]
    wrong = base64_text(flip(base64_bytes(first_three[2]), 0))
    head = base64_text(good.chains["main"].hash)
    zeros, left_over = base64_text(ZERO_HASH), head[:-2] + chr(ord(head[-2]) + 1) + "="

    def unprefixed(lines: Sequence[str], label: bytes = b"bes1/checkpoint") -> str:
        hash = base64_text(sha256(label + b"".join(utf8(line) for line in lines)))
        return f"{origin}\n{events}\n{hash}\n{rest}"

    def hashed(data: bytes) -> str:
        return f"{origin}\n{events}\n{base64_text(sha256(data))}\n{rest}"

    prefixed = b"".join(lp(utf8(line)) for line in lines)
    rows: dict[str, tuple[str, str]] = {
        "empty": ("Nothing.", ""),
        "newline": ("A newline.", "\n"),
        "origin-alone": ("A first line and nothing else.", origin + "\n"),
        "three-lines": ("No lines but the first three.", of(events="0")),
        "without-final-newline": ("No newline ends it.", text[:-1]),
        "newline-after": ("An empty line at the end.", text + "\n"),
        "newline-before": ("An empty line at the beginning.", "\n" + text),
        "carriage-returns": ("Lines end in CR LF.", text.replace("\n", "\r\n")),
        "line-after": ("A line more, which the hash is not over.", text + "more\n"),
        "space-after": ("A space at the end.", text + " "),
        "signed": ("A whole note.", text + "\n" + note_key("checkpoint-refused").line(text)),
        "origin-of-another-log": ("An origin without bes/.", of(*lines, origin="prod")),
        "origin-in-capitals": ("BES/ in capitals.", of(*lines, origin="BES/prod")),
        "origin-without-namespace": ("No namespace.", of(*lines, origin="bes/")),
        "origin-with-a-slash": ("A slash in the namespace.", of(*lines, origin="bes/prod/eu")),
        "origin-with-a-space": ("A space after the namespace.", of(*lines, origin="bes/prod ")),
        "origin-with-a-hash-sign": ("A # in the namespace.", of(*lines, origin="bes/prod#1")),
        "origin-beyond-ascii": ("A letter beyond ASCII in the namespace.",
                                of(*lines, origin="bes/pr\u00f6d")),
        "origin-too-long": ("A namespace of 256 bytes.", of(*lines, origin="bes/" + "n" * 256)),
        "events-one-more": ("One event too many.", of(*lines, events="1238")),
        "events-one-less": ("One event too few.", of(*lines, events="1236")),
        "events-leading-zero": ("A zero before the number of events.", of(*lines, events="01237")),
        "events-plus": ("A plus before the number of events.", of(*lines, events="+1237")),
        "events-space": ("A space after the number of events.", of(*lines, events="1237 ")),
        "events-empty": ("No number of events.", of(*lines, events="")),
        "events-hexadecimal": ("The number of events in hexadecimal.", of(*lines, events="4d5")),
        "events-other-digits": ("Digits beyond ASCII.", of(*lines, events="\u0661\u0662\u0663\u0667")),
        "events-zero-written-00": ("Zero, written 00.", of(time, events="00")),
        "events-too-many": ("The sum is 2^64.", of(
            time, f"chain a {U64_MAX} {head}", f"chain b 1 {head}", events=str(2**64))),
        "events-wrapped": ("The sum, modulo 2^64.", of(
            time, f"chain a {U64_MAX} {head}", f"chain b 1 {head}", events="0")),
        "hash-bit-flipped": ("One bit of the hash wrong.", f"{origin}\n{events}\n{wrong}\n{rest}"),
        "hash-empty": ("No hash.", f"{origin}\n{events}\n\n{rest}"),
        "hash-hexadecimal": ("The hash in hexadecimal.",
                             f"{origin}\n{events}\n{lines_hash(lines).hex()}\n{rest}"),
        "hash-unpadded": ("The hash without padding.",
                          text.replace(first_three[2], first_three[2].rstrip("="))),
        "hash-of-zeros": ("A hash of zeros.", f"{origin}\n{events}\n{zeros}\n{rest}"),
        "hash-without-lengths": ("The hash over the lines without lengths.", unprefixed(lines)),
        "hash-over-the-text": ("The hash over the lines as they stand.",
                               hashed(b"bes1/checkpoint" + utf8(rest))),
        "hash-without-label": ("The hash without its label.", hashed(prefixed)),
        "hash-with-another-label": ("The hash with a segment's label.", hashed(b"bes1/segment" + prefixed)),
        "hash-over-newlines": ("The hash over lines with their newlines.", hashed(
            b"bes1/checkpoint" + b"".join(lp(utf8(line) + b"\n") for line in lines))),
        "hash-over-all-lines": ("The hash over origin and events too.", hashed(
            b"bes1/checkpoint" + lp(utf8(origin)) + lp(utf8(events)) + prefixed)),
        "hash-of-the-empty-tree": ("RFC 6962's hash of an empty tree.", hashed(b"")),
        "line-removed": ("A line that the hash is over is gone.", text.replace(bob + "\n", "")),
        "line-changed": ("A line changed.", text.replace("1234", "1235").replace("1237", "1238")),
        "without-time": ("No time.", of(table, main, registry, bob)),
        "time-twice": ("The time twice.", of(time, *lines)),
        "time-last": ("The time at the end.", of(table, main, registry, bob, time)),
        "time-without-fraction": ("A time without a fraction.", of(time.replace(".678901", ""), *lines[1:])),
        "time-of-milliseconds": ("A time in milliseconds.", of(time.replace("678901", "678"), *lines[1:])),
        "time-with-offset": ("A time with an offset.", of(time.replace("Z", "+00:00"), *lines[1:])),
        "time-february-30": ("A day that does not exist.", of(time.replace("01-02", "02-30"), *lines[1:])),
        "time-leap-second": ("A leap second.", of(time.replace("05.", "60."), *lines[1:])),
        "time-of-year-10000": ("A year of five digits.", of(time.replace("2026", "10000"), *lines[1:])),
        "time-before-year-0": ("A year before 0.", of(time.replace("2026", "-0001"), *lines[1:])),
        "time-two-spaces": ("Two spaces before the time.", of(time.replace(" ", "  "), *lines[1:])),
        "time-space-after": ("A space after the time.", of(time + " ", *lines[1:])),
        "table-twice": ("Two tables.", of(time, table, *lines[1:])),
        "table-after-chains": ("The table after the chains.", of(time, main, registry, table, bob)),
        "table-empty": ("A table without id.", of(time, "table ", main, registry, bob)),
        "table-word-alone": ("The word table alone.", of(time, "table", main, registry, bob)),
        "table-with-a-space": ("A space in the table's id.", of(time, "table a b", main, registry, bob)),
        "table-beyond-ascii": ("A table's id beyond ASCII.", of(time, "table \u00e9", main, registry, bob)),
        "table-too-long": ("A table's id of 256 bytes.", of(time, "table " + "t" * 256, main, registry, bob)),
        "table-delete": ("U+007F in the table's id.", of(time, "table a\u007f", main, registry, bob)),
        "chains-descending": ("Chains in the other order.", of(time, table, registry, main, bob)),
        "chain-twice": ("A chain twice.", of(time, table, main, main, events="2468")),
        "chain-twice-otherwise": ("A chain twice, otherwise.", of(
            time, table, main, main.replace("1234", "1235"), events="2469")),
        "chain-by-case": ("Chains ordered without regard to case.", of(
            time, f"chain a 1 {head}", f"chain B 1 {head}", events="2")),
        "chain-after-shredded": ("A chain after the tenants.", of(time, table, main, bob, registry)),
        "chain-name-empty": ("A chain without a name.", of(time, f"chain  1 {head}", events="1")),
        "chain-name-with-a-slash": ("A slash in a chain's name.",
                                    of(time, f"chain a/b 1 {head}", events="1")),
        "chain-name-too-long": ("A chain's name of 256 bytes.",
                                of(time, f"chain {'c' * 256} 1 {head}", events="1")),
        "chain-next-missing": ("A chain without its number.", of(time, f"chain main {head}", events="0")),
        "chain-next-leading-zero": ("A zero before a chain's number.",
                                    of(time, f"chain main 01 {head}", events="1")),
        "chain-next-plus": ("A plus before a chain's number.", of(time, f"chain main +1 {head}", events="1")),
        "chain-next-negative": ("A negative number.", of(time, f"chain main -1 {head}", events="-1")),
        "chain-next-above-u64": ("A number of 2^64.",
                                 of(time, f"chain main {2**64} {head}", events=str(2**64))),
        "chain-head-missing": ("A chain without its head.", of(time, "chain main 1", events="1")),
        "chain-head-unpadded": ("A head without padding.",
                                of(time, f"chain main 1 {head.rstrip('=')}", events="1")),
        "chain-head-left-over-bits": ("A head with a bit that is left over.",
                                      of(time, f"chain main 1 {left_over}", events="1")),
        "chain-head-hexadecimal": ("A head in hexadecimal.", of(
            time, f"chain main 1 {good.chains['main'].hash.hex()}", events="1")),
        "chain-head-of-31-bytes": ("A head of 31 bytes.", of(
            time, f"chain main 1 {base64_text(bytes(range(1, 32)))}", events="1")),
        "chain-head-of-33-bytes": ("A head of 33 bytes.", of(
            time, f"chain main 1 {base64_text(bytes(range(1, 34)))}", events="1")),
        "chain-head-of-zeros": ("Events, and a head of zeros.",
                                of(time, f"chain main 1 {zeros}", events="1")),
        "chain-head-without-events": ("A head, and no events.", of(time, f"chain main 0 {head}", events="0")),
        "chain-word-more": ("A word more in a chain's line.",
                            of(time, f"chain main 1 {head} more", events="1")),
        "chain-two-spaces": ("Two spaces in a chain's line.", of(time, f"chain main  1 {head}", events="1")),
        "chain-tab": ("A tab in a chain's line.", of(time, f"chain main\t1 {head}", events="1")),
        "shredded-descending": ("Tenants in the other order.", of(time, table, main, registry, eve, bob)),
        "shredded-twice": ("A tenant twice.", of(time, table, main, registry, bob, bob)),
        "shredded-before-chains": ("Tenants before the chains.", of(time, table, bob, main, registry)),
        "shredded-without-time": ("A tenant without a time.",
                                  of(time, table, main, registry, "shredded bob")),
        "shredded-time-not-one": ("A tenant's time that is none.", of(
            time, table, main, registry, bob.replace("12-31", "13-31"))),
        "shredded-name-with-a-hash-sign": ("A # in a tenant's name.", of(
            time, table, main, registry, bob.replace("bob", "b#b"))),
        "shredded-word-more": ("A word more in a tenant's line.",
                               of(time, table, main, registry, bob + " more")),
        "line-empty": ("An empty line among the others.", of(time, table, "", main, registry, bob)),
        "line-of-a-space": ("A line of one space.", of(time, table, main, registry, bob, " ")),
        "line-unknown": ("A line of another kind.", of(*lines, "more things")),
        "line-in-capitals": ("A word in capitals.",
                             of(time, table.replace("table", "TABLE"), main, registry, bob)),
        "zero-byte": ("A zero byte at the end.", text + "\u0000"),
    }  # fmt: skip
    for what, (about, refused) in rows.items():
        yield scenario("checkpoint-refused", what, about, {"text": refused})


def order_scenarios() -> Iterator[Json]:
    name = "order"
    later, end = "2026-01-03T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"
    before = a_checkpoint(name)
    chains, shredded = dict(before.chains), dict(before.shredded)
    grown = {**chains, **chains_of(name, main=1_235)}
    accepted: dict[str, tuple[str, Json]] = {
        "the-same-later": ("Nothing happened.", {"time": later}),
        "a-microsecond-later": ("A microsecond later.", {"time": "2026-01-02T03:04:05.678902Z"}),
        "at-the-end-of-time": ("Millennia later.", {"time": end}),
        "longer": ("A chain is longer.", {"time": later, "chains": grown}),
        "longer-with-the-same-head": ("Longer, and the same head: only the events could tell.", {
            "time": later, "chains": {**chains, "main": Head(1_235, chains["main"].hash)}}),
        "new-chain": ("A chain is new.", {"time": later, "chains": {**chains, **chains_of(name, a=1, z=0)}}),
        "shredded-more": ("One more tenant is shredded.",
                          {"time": later, "shredded": {**shredded, "alice": later}}),
        "another-table": ("Another table.", {"time": later, "table_id": "another"}),
        "table-without-id": ("A table without an id.", {"time": later, "table_id": None}),
    }  # fmt: skip
    for what, (about, changes) in accepted.items():
        after = replace(before, **changes)
        yield scenario("order", what, about, {"before": before.text(), "after": after.text()})
    first = replace(before, chains=chains_of(name, main=0), shredded={}, time="0000-01-01T00:00:00.000000Z")
    yield scenario("order", "first-events", "A chain without events has some.", {
        "before": first.text(), "after": before.text()})  # fmt: skip

    def without(of: Mapping[str, Any], name: str) -> dict[str, Any]:
        return {key: value for key, value in of.items() if key != name}

    other_head = Head(chains["main"].next, secret(name, "fork"))
    shorter = chains_of(name, main=1_233)
    refused: dict[str, tuple[str, str, Json]] = {
        "another-namespace": ("Of another namespace.", "Namespace", {"time": later, "namespace": "test"}),
        "namespace-by-case": ("Of a namespace that differs by case.", "Namespace",
                              {"time": later, "namespace": "Prod"}),
        "the-same": ("The same checkpoint.", "Time", {}),
        "the-same-time": ("Longer, at the same time.", "Time", {"chains": grown}),
        "a-microsecond-earlier": ("A microsecond earlier.", "Time",
                                  {"time": "2026-01-02T03:04:05.678900Z", "chains": grown}),
        "vanished": ("A chain is gone.", "Vanished", {"time": later, "chains": without(chains, "registry")}),
        "all-vanished": ("All chains are gone.", "Vanished", {"time": later, "chains": {}}),
        "renamed": ("A chain has another name.", "Vanished", {
            "time": later, "chains": {**without(chains, "main"), "Main": chains["main"]}}),
        "shorter": ("A chain is shorter by one.", "Shorter",
                    {"time": later, "chains": {**chains, **shorter}}),
        "emptied": ("A chain has no events any more.", "Shorter", {
            "time": later, "chains": {**chains, **chains_of(name, main=0)}}),
        "shorter-beside-longer": ("A chain is shorter, another longer.", "Shorter", {
            "time": later, "chains": {**grown, **chains_of(name, registry=2)}}),
        "altered": ("A chain has another head.", "Altered",
                    {"time": later, "chains": {**chains, "main": other_head}}),
        "altered-last": ("The last chain has another head.", "Altered", {
            "time": later, "chains": {**grown, "registry": Head(3, flip(chains["registry"].hash, -1))}}),
        "heads-exchanged": ("Two chains of one length have exchanged their heads.", "Altered", {}),
        "shredded-no-more": ("A tenant is back.", "Shredded", {"time": later, "shredded": {}}),
        "shredded-another": ("Another tenant is shredded instead.", "Shredded", {
            "time": later, "shredded": {"bo": shredded["bob"]}}),
        "shredded-earlier": ("A tenant was shredded earlier.", "Shredded", {
            "time": later, "shredded": {"bob": "2025-12-31T23:59:59.000000Z"}}),
        "shredded-later": ("A tenant was shredded later.", "Shredded",
                           {"time": later, "shredded": {"bob": later}}),
        "namespace-before-time": ("Another namespace, and no later.", "Namespace", {"namespace": "test"}),
        "time-before-vanished": ("No later, and a chain is gone.", "Time", {"chains": {}}),
        "vanished-before-shorter": ("The first chain is gone, the second shorter.", "Vanished", {
            "time": later, "chains": chains_of(name, registry=2)}),
        "shorter-before-vanished": ("The first chain is shorter, the second gone.", "Shorter", {
            "time": later, "chains": shorter}),
        "altered-before-shorter": ("The first chain is altered, the second shorter.", "Altered", {
            "time": later, "chains": {"main": other_head, **chains_of(name, registry=2)}}),
        "shorter-before-shredded": ("A chain is shorter, and a tenant back.", "Shorter", {
            "time": later, "chains": {**chains, **shorter}, "shredded": {}}),
    }  # fmt: skip
    for what, (about, error, changes) in refused.items():
        earlier, after = before, replace(before, **changes)
        if what == "heads-exchanged":
            pair = {"a": Head(5, secret(name, "a")), "b": Head(5, secret(name, "b"))}
            earlier = replace(before, chains=pair)
            after = replace(before, time=later, chains={"a": pair["b"], "b": pair["a"]})
        yield scenario("order-refused", what, about, {
            "before": earlier.text(), "after": after.text(), "error": error})  # fmt: skip


SCENARIOS: tuple[Callable[[], Iterator[Json]], ...] = (
    seal_scenarios,
    open_refused_scenarios,
    rewrap_scenarios,
    rewrap_refused_scenarios,
    name_refused_scenarios,
    key_file_scenarios,
    wrap_scenarios,
    encryption_context_scenarios,
    unwrap_refused_scenarios,
    event_scenarios,
    event_refused_scenarios,
    segment_scenarios,
    segment_refused_scenarios,
    tombstone_scenarios,
    tombstone_refused_scenarios,
    note_key_scenarios,
    key_refused_scenarios,
    note_scenarios,
    note_refused_scenarios,
    checkpoint_scenarios,
    checkpoint_refused_scenarios,
    order_scenarios,
)


# ==================================================================================================
# generate
# ==================================================================================================

ROOT = Path(__file__).resolve().parent.parent


def verified(made: Json) -> bytes:
    """The scenario's file, after what it says has been checked on what a reader of it will see."""
    text = json.dumps(made, indent=2, ensure_ascii=False) + "\n"
    read = json.loads(text)
    fields = ["name", "about", "kind", *FIELDS[read["kind"]].split()]
    require(list(read) == fields, "has other fields than its kind")
    try:
        VERIFIERS[read["kind"]](read)
    except (AssertionError, InvalidInput, Refused) as error:
        raise AssertionError(f"{read['name']}: {error}") from error
    return text.encode("utf-8")


def all_files() -> dict[str, dict[str, bytes]]:
    """Each directory's files, by their names."""
    directory_of = {kind: directory for directory, kinds in DIRECTORIES.items() for kind in kinds}
    files: dict[str, dict[str, bytes]] = {directory: {} for directory in DIRECTORIES}
    contexts: dict[str, str] = {}
    for scenarios in SCENARIOS:
        for made in scenarios():
            directory, name = files[directory_of[made["kind"]]], f"{made['name']}.json"
            require(re.fullmatch(r"[a-z0-9_-]+\.json", name) is not None, f"{name} is no name of a file")
            require(name not in directory, f"{name} comes twice")
            directory[name] = verified(made)
            if made["kind"] == "seal":
                where = [made["address"], made["version"], sorted(map(json.dumps, made["attributes"]))]
                same = contexts.setdefault(made["expected"]["context"], json.dumps(where))
                require(same == json.dumps(where), f"{name} shares its context with another record")
    return files


def generate(out: Path) -> None:
    files = all_files()
    sums = {"scripts/generate_test_vectors.py": sha256(Path(__file__).read_bytes())}
    for directory, contents in files.items():
        (out / directory).mkdir(parents=True, exist_ok=True)
        for stale in (out / directory).glob("*.json"):
            stale.unlink()
        for name, content in contents.items():
            (out / directory / name).write_bytes(content)
            sums[f"tests/vectors/{directory}/{name}"] = sha256(content)
    lines = [f"{digest.hex()}  {path}\n" for path, digest in sorted(sums.items())]
    (out / "SHA256SUMS").write_bytes("".join(lines).encode("ascii"))

    total = sum(len(content) for contents in files.values() for content in contents.values())
    for directory, kinds in DIRECTORIES.items():
        count = Counter(json.loads(content)["kind"] for content in files[directory].values())
        print(f"{directory}: " + ", ".join(f"{count[kind]} {kind}" for kind in kinds))
    print(f"{sum(map(len, files.values()))} files, {total:,} bytes")


# ==================================================================================================
# open and seal: the other direction
# ==================================================================================================


def write_line(value: Json) -> None:
    sys.stdout.buffer.write(json.dumps(value, ensure_ascii=False).encode("utf-8") + b"\n")
    sys.stdout.buffer.flush()


def open_line(line: bytes) -> Json:
    fields = members(json.loads(line), ("kek_id", "kek", "address", "version", "attributes", "envelope"))
    kek, context, envelope = kek_from(fields), context_arguments(fields), bytes_from(fields["envelope"])
    try:
        return {"plaintext": open_envelope(kek, *context, envelope).hex()}
    except Refused as refused:
        return {"error": refused.error}


def open_checkpoint_line(line: bytes) -> Json:
    fields = members(json.loads(line), ("note", "known"))
    try:
        text, _ = open_note(bytes_from(fields["note"]), [read_public_key(key) for key in fields["known"]])
        return {"checkpoint": checkpoint_json(read_checkpoint(text))}
    except Refused as refused:
        return {"error": refused.error}


def open_lines(open_one: Callable[[bytes], Json]) -> int:
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            write_line(open_one(line))
        except ValueError as error:  # not JSON, not UTF-8, or not of the form
            print(f"line {number}: {error}", file=sys.stderr)
            return 2
    return 0


RANDOM_SIZES = (0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 257, 1_023, 1_024, 1_025, 4_095, 4_096)
RANDOM_NUMBERS = (0, 1, 255, 256, 2**31, 2**32, 2**53 + 1, 2**63 - 1)
RANDOM_TEXT = "aZ09 ~%/#\"\\'"
RANDOM_TEXT += (
    "\u00a0\u00e9e\u0301\u05d0\u0633\u200d\u202e\u3042\ufeff\ufffd\uffff\U00010000\U0001f600\U0010ffff"
)


def random_text(rng: random.Random, longest: int) -> str:
    """A text of 1 to `longest` bytes, often of exactly one or `longest`."""
    size = rng.choice((1, longest, rng.randint(1, min(longest, 40))))
    text = ""
    while (room := size - len(text.encode())) > 0:
        text += rng.choice([c for c in RANDOM_TEXT if len(c.encode()) <= room])
    return text


def random_name(rng: random.Random) -> str:
    size = rng.choice((1, 255, rng.randint(1, 20)))
    return "".join(rng.choices(VISIBLE, k=size))


def random_value(rng: random.Random) -> Value:
    number = rng.choice((*RANDOM_NUMBERS, rng.getrandbits(63)))
    strings = ("", "1", "\u0000\n\u007f", random_text(rng, 100))
    blobs = (b"", b"1", rng.randbytes(rng.randrange(64)))
    values: tuple[Value, ...] = (
        rng.choice(strings),
        number,
        -number - 1,
        rng.random() < 0.5,
        rng.choice(blobs),
    )
    return rng.choice(values)


def random_record(rng: random.Random) -> Record:
    size = rng.choice((*RANDOM_SIZES, *(rng.randrange(4_097) for _ in RANDOM_SIZES)))
    attributes: dict[str, Value] = {}
    if rng.random() < 0.7:
        attributes |= {"_c": rng.getrandbits(50), "_t": rng.choice((1, 2)), "_u": rng.getrandbits(50)}
    for _ in range(rng.choice((0, 1, 2, 5, 20))):
        attributes[random_text(rng, 60)] = random_value(rng)
    order = list(attributes.items())
    rng.shuffle(order)
    return Record(
        kek=Kek(rng.randbytes(16), rng.randbytes(32)),
        dek=rng.randbytes(32),
        address=Address(
            namespace=random_name(rng),
            tenant=random_name(rng),
            collection=random_name(rng),
            kind=random_name(rng),
            id=random_text(rng, 768),
        ),
        version=rng.choice((*RANDOM_NUMBERS, 2**63, U64_MAX, rng.getrandbits(64))),
        attributes=dict(order),
        plaintext=rng.randbytes(size),
    )


def seal_lines(seed: int, count: int) -> None:
    rng = random.Random(seed)
    for _ in range(count):
        r = random_record(rng)
        require(r.open(r.seal()) == r.plaintext, "does not open")
        fields = r.json()
        write_line({field: fields[field] for field in FIELDS["seal"].split()})


def random_time(rng: random.Random) -> str:
    date = f"{rng.randrange(10_000):04}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    of_day = f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
    return f"{date}T{of_day}.{rng.choice((0, 1, 999_999, rng.randrange(1_000_000))):06}Z"


def random_checkpoint(rng: random.Random) -> Checkpoint:
    def names() -> list[str]:
        return list({random_name(rng) for _ in range(rng.choice((0, 1, 2, 5, 20)))})

    def head() -> Head:
        next = rng.choice((0, 1, 10, 2**32, 2**53 + 1, rng.getrandbits(59)))
        return Head(next, rng.randbytes(32) if next else ZERO_HASH)

    table_id = "".join(rng.choices(VISIBLE + "#/", k=rng.choice((1, 36, 255))))
    return Checkpoint(
        namespace=random_name(rng),
        time=random_time(rng),
        table_id=rng.choice((None, table_id)),
        chains={name: head() for name in names()},
        shredded={name: random_time(rng) for name in names()},
    )


def sign_checkpoint_lines(seed: int, count: int) -> None:
    rng = random.Random(seed)
    for _ in range(count):
        checkpoint = random_checkpoint(rng)
        private = PrivateKey(checkpoint.key_name(), rng.randbytes(32))
        made = {
            **checkpoint_json(checkpoint),
            "private": private.text(),
            "expected": expected_checkpoint(checkpoint, private),
        }
        verify_checkpoint(made)
        write_line(made)


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Format 1 in Python: an independent reference implementation."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    to_generate = commands.add_parser("generate", help="write the test vectors and SHA256SUMS")
    to_generate.add_argument("--out", type=Path, default=ROOT / "tests" / "vectors", metavar="DIR")
    commands.add_parser("open", help="open the envelopes of JSON lines on stdin")
    to_seal = commands.add_parser("seal", help="seal random records, as JSON lines on stdout")
    commands.add_parser("open-checkpoints", help="open the notes of JSON lines on stdin")
    to_sign = commands.add_parser("sign-checkpoints", help="sign random checkpoints, as JSON lines on stdout")
    for random_ones in (to_seal, to_sign):
        random_ones.add_argument("--seed", type=int, required=True)
        random_ones.add_argument("--count", type=int, required=True)
    arguments = parser.parse_args()
    match arguments.command:
        case "generate":
            generate(arguments.out)
        case "open":
            return open_lines(open_line)
        case "seal":
            seal_lines(arguments.seed, arguments.count)
        case "open-checkpoints":
            return open_lines(open_checkpoint_line)
        case "sign-checkpoints":
            sign_checkpoint_lines(arguments.seed, arguments.count)
    return 0


if __name__ == "__main__":
    sys.exit(main())
