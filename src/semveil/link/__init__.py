"""The link between Alice, Bob and Eve as library calls: send, receive, eavesdrop, and all three simulated."""

PAIR_SEED = 0  # of pairs that are trained when they are missing: two machines with the same versions get the same one
