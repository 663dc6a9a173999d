"""Where files are, other than in a folder of this machine."""
