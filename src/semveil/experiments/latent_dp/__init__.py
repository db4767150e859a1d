"""latent-dp's results [LDP]."""
