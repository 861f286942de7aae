"""Fuzzing of what the host reads from a REPL process; `python -m tests.sandbox.fuzz --help`."""
