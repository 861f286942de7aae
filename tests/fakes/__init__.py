"""Stand-ins that implement the Protocols, shared by tests and benchmarks."""
