"""One subject a file, no domain words: what any room may use."""
