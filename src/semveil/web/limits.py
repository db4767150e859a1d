# SPDX-License-Identifier: Apache-2.0
"""How much the page takes from its users, and how long it keeps it."""

LARGEST_FILE = 16 << 20  # bytes of an uploaded photo
# of any request: a photo in its envelope, or the page's own copy of one in base64
LARGEST_BODY = LARGEST_FILE + (1 << 20)
LARGEST_FOLDER = 256 << 20  # of all uploads that are not read yet
LARGEST_PIXELS = 40_000_000  # of a photo, checked in its header; 640 MB while it is read
LARGEST_SIDE = 1280  # px; larger photos are shrunk, and the page says so
WAITING = 40  # presses of a button that may wait, of all users together; one more is refused
SESSIONS = 64  # of which gradio keeps what was last asked and answered

SWEEP_SECONDS = 5.0
KEPT_SECONDS = 40.0  # after which an upload goes that nobody read, so that with a sweep it is gone within 60
