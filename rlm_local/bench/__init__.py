"""Trials of a user's own models: how well a worker labels, how a root is best prompted.

Asks real models through the same session, engine and sandbox as every other run.
"""
