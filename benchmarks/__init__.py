"""Measurements of the whole product, each a program: `python -m benchmarks.<name> --help`.

They use public names of rlm_local only, print a table in which every number stands beside what it
is held against in the same run, and take `--json`.
"""
