"""The engine core: a workflow's plan and the state machine that runs it.

Pure: nothing in this package reads a clock, touches a file or a socket, draws a random number or awaits.
Times are epoch milliseconds, seeds and ids come in as arguments, and everything that must happen in the world goes
out as a command that a driver performs.
"""
