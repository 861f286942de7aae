"""Models to talk to: a supervised vLLM, any OpenAI-shaped endpoint, in process, scripted."""
