"""Weights on disk: fetched, checked, converted. Never executed, never unpickled."""
