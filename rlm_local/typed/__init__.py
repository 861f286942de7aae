"""Typed replies without a model: what a constraint may ask for, and whether a text is that."""
