"""The command line: one file per group of commands. Answers on stdout, all else on stderr."""
