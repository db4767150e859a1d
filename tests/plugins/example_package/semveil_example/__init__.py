"""An example of a package that adds to semveil: one noise law, one channel."""
