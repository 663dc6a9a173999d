"""Talking to language models: one interface to all providers, and the loop of an agent that survives a crash."""
