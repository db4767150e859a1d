"""identity-dp's results [IDP], what its guarantee leaves open, and `semveil evaluate`."""
