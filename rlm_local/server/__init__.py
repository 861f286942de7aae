"""OpenAI-shaped HTTP service. Not built yet: `rlm-local serve` says so with exit 2."""
