"""``spillover serve``: an OpenAI-compatible chat server over the batched sampler."""
