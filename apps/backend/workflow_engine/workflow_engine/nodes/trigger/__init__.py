"""Where executions begin."""
