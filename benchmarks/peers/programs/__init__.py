"""What runs inside a peer's environment: the standard library, the peer, and `protocol`."""
