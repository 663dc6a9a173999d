"""What workflows and agents remember: conversations, values, documents, vectors, facts."""
