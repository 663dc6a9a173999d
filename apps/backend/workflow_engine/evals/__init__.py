"""How well a model draws workflows: 40 requests in Chinese and English, with checks on the graph that comes of each."""
