"""A webhook receiver that is told of cancelled orders, in Python with nothing but its standard library.

It does what every receiver should:

- It verifies that a request comes from the server that it shares a secret with, and lately. Requests are signed twice: with a
  certificate, as SNS does it, and with that secret (HMAC). Python's standard library has no RSA, but it has HMAC; so this receiver
  needs no installation, and it would also verify raw deliveries, which SNS leaves unsigned.
- It confirms its subscription, and only at the address where it knows its server to be: a receiver that visits whatever address
  it is sent can be made to visit any.
- It counts each message once. Delivery is at least once: a message whose answer was lost comes again, with the same MessageId.
- What it has answered 200 for is on its disk.

    receiver.py <port> <output file> <address of the server's pages>        the secret is in RECEIVER_SECRET
"""

import hashlib
import hmac
import json
import os
import sys
import threading
import time
import urllib.request
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How old a signed request may be, in seconds: enough for a slow network and clocks that differ.
TOLERANCE_SECONDS = 300

# Every tenth message is refused the first time, so that this example also shows a retry.
REFUSED_EVERY = 10


def is_signed(secret: bytes, header: str, body: bytes, now: float) -> bool:
    """Whether `x-forebay-signature: t=<seconds>,v1=<hex>` is of this body. More than one v1: the secret is being changed."""
    fields = [field.strip().partition("=") for field in header.split(",")]
    times = [value for name, _, value in fields if name == "t"]
    if len(times) != 1 or not times[0].isdecimal():
        return False
    if abs(now - int(times[0])) > TOLERANCE_SECONDS:
        return False
    expected = hmac.new(secret, f"{times[0]}.".encode() + body, hashlib.sha256).hexdigest()
    return any(name == "v1" and hmac.compare_digest(expected, value) for name, _, value in fields)


class Cancellations:
    """What was told, by MessageId: in a file, a line each, and in memory what the file holds."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._seen: set[str] = set()
        self._file = open(path, "a+", encoding="utf-8")
        self._file.seek(0)
        for line in self._file:
            # A line that a kill cut short was not answered for.
            if line.endswith("\n"):
                self._seen.add(json.loads(line)["messageId"])

    def count(self) -> int:
        with self._lock:
            return len(self._seen)

    def note(self, message_id: str, invoice: dict) -> None:
        """Returns once it is on disk. Of a message that was noted before nothing is left to do."""
        with self._lock:
            if message_id in self._seen:
                return
            total = sum(int(line["quantity"]) * Decimal(line["unitPrice"]) for line in invoice["lines"])
            noted = {"messageId": message_id, "invoice": invoice["number"], "total": format(total, "f")}
            self._file.write(json.dumps(noted) + "\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self._seen.add(message_id)


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    secret: bytes
    pages: str
    cancellations: Cancellations

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        signature = self.headers.get("x-forebay-signature", "")
        if not is_signed(self.secret, signature, body, time.time()):
            return self.answer(403)
        envelope = json.loads(body)
        if envelope["Type"] == "SubscriptionConfirmation":
            return self.answer(self.confirm(envelope["SubscribeURL"]))
        if envelope["Type"] == "Notification":
            return self.answer(self.receive(envelope))
        # An UnsubscribeConfirmation: there is nothing to do about it.
        return self.answer(200)

    def do_GET(self) -> None:
        """For whoever wants to know whether it has started."""
        self.answer(200)

    def confirm(self, url: str) -> int:
        if not url.startswith(f"{self.pages}/"):
            return 400
        with urllib.request.urlopen(url, timeout=10) as response:
            return 200 if response.status == 200 else 503

    def receive(self, envelope: dict) -> int:
        is_first = self.headers.get("x-forebay-attempt") == "1"
        if is_first and self.cancellations.count() % REFUSED_EVERY == REFUSED_EVERY - 1:
            return 503
        self.cancellations.note(envelope["MessageId"], json.loads(envelope["Message"]))
        return 200

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing: the story is told elsewhere."""


class Server(ThreadingHTTPServer):
    # Connections of a server that was killed are no reason to stay.
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        # A connection that broke is the other side's affair: what was not answered is sent again.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def main() -> None:
    port, output, pages = sys.argv[1:]
    Receiver.secret = os.environ["RECEIVER_SECRET"].encode()
    Receiver.pages = pages
    Receiver.cancellations = Cancellations(output)
    Server(("127.0.0.1", int(port)), Receiver).serve_forever()


if __name__ == "__main__":
    main()
