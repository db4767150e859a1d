"""Keys, keystreams, key agreement and sealing."""
