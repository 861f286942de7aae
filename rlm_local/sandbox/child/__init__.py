"""What runs inside the REPL process: standard library and its own neighbours only."""
