"""The run: root turns, cells, sub-calls, budgets. Knows no backend, no process, no file."""
