"""Settings, clock, ids, logs: what every room may import."""
