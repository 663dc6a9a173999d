"""Who calls, what they may do, on what, and the record of what they did."""
