"""Parts that offer tools to agents; see nodes/tools.py."""
