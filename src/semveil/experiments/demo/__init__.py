"""`semveil demo`: one photo, two receivers."""
