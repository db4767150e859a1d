"""Figures of the model cards."""
