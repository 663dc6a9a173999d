"""What is stored, and the one way to store it: `Store`."""
