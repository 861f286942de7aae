"""Other harnesses, asked over the same server, with the same model and limits as ours.

Each lives in an environment of its own, because several of them install a module of the same
name, and is run as a process of its own, one question each.
"""
