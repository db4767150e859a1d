"""dp-image's results [DPI]."""
