# SPDX-License-Identifier: Apache-2.0
"""Limits on the size of uploads and on the time they are kept."""

LARGEST_FILE = 16 << 20  # bytes of an uploaded photo
# bytes of any request: an upload with its headers, or the page's base64 copy of a photo
LARGEST_BODY = LARGEST_FILE + (1 << 20)
LARGEST_FOLDER = 256 << 20  # bytes of all unread uploads
LARGEST_PIXELS = 40_000_000  # of a photo, checked in its header; reading one takes 640 MB
LARGEST_SIDE = 1280  # px; larger photos are shrunk, and the page says so
WAITING = 40  # queued requests of all users together; more are refused
SESSIONS = 64  # number of sessions whose last inputs and outputs gradio keeps

SWEEP_SECONDS = 5.0
KEPT_SECONDS = 40.0  # age at which an unread upload is deleted; with the sweep, within 60 seconds
