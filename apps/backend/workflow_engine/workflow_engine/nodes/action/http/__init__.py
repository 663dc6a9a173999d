"""The parts of an HTTP request that people choose between: how to sign it, its body, its pages, its answer."""
