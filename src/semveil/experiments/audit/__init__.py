"""`semveil audit`: every mechanism, method and composition in the distinguishing game."""
