"""Drivers: what performs the machine's commands. `contract` is the promise, `local` keeps it on one machine."""
