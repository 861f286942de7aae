"""A run's events on disk, and back for a person to read."""
