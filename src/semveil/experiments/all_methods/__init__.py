"""Results that compare all methods."""
