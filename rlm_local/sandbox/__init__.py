"""The REPL: a confined worker process and the host's side of it."""
