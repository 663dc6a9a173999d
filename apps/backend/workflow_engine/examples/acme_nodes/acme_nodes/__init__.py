"""Node types of Acme."""
