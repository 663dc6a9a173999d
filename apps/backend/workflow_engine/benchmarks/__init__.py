"""What the engine does under load, and under attack. `make bench` and `make chaos` run it."""
