"""What the machine has, and where a stack fits on it."""
