"""Ours on Temporal beside a Temporal workflow that was written by hand and does the same.

Both have the same Temporal server, as many workers and slots, one client that keeps as many executions in flight, and
steps that do the same: tell a peer over HTTP, which counts. Both skip Temporal's sandbox. Ours keeps a readable journal
of every execution in PostgreSQL besides; that is what it may cost a fifth for.
"""
