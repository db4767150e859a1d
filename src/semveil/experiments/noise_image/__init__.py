"""noise-image's results [NI]."""
