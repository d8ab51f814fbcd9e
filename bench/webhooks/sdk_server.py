"""The webhook server of Zoom's SDK (PyPI `rtms`), with a callback that does nothing. It verifies and stores nothing."""

import sys
import threading

import rtms


# It reads no secret: this version has no signature check at all.
@rtms.onWebhookEvent(port=int(sys.argv[1]), path="/webhook")
def handle(payload):
    pass


threading.Event().wait()
