"""Node types that use other people's services, by their APIs."""
