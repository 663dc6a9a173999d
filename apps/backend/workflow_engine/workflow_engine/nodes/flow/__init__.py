"""Nodes that route, repeat, wait for and reshape items. They compute; none of them touches the world."""
