"""Verifies requests to a webhook by the secret that it shares with the server. That needs no certificate and nothing but Python's
standard library, and it also covers raw deliveries. The secret is in HMAC_SECRET.

    python3 verify.py <file of receiver.mjs> ...
"""

import hashlib
import hmac
import json
import os
import sys
import time

TOLERANCE_SECONDS = 300


def is_signed(secret: bytes, header: str, body: bytes) -> bool:
    """Of `t=<seconds>,v1=<hex>`; more than one v1 while the secret is being changed."""
    fields = [field.strip().partition("=") for field in header.split(",")]
    at = next((value for name, _, value in fields if name == "t"), "")
    if not at.isdecimal() or abs(time.time() - int(at)) > TOLERANCE_SECONDS:
        return False
    expected = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return any(name == "v1" and hmac.compare_digest(expected, value) for name, _, value in fields)


secret = os.environ["HMAC_SECRET"].encode()
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        request = json.load(file)
    header, body = request["headers"]["x-forebay-signature"], request["body"].encode()
    is_good = is_signed(secret, header, body) and not is_signed(secret, header, body + b" ")
    print(f"{path}: {'signed' if is_good else 'NOT SIGNED'}")
    if not is_good:
        sys.exit(1)
