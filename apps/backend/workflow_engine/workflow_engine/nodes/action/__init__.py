"""What nodes do by themselves: requests, data formats, dates, cryptography, files and databases."""
