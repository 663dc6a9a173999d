"""Workflows that n8n has exported, as ours.

`document.py` reads one and draws it anew; `javascript/` says n8n's expressions in our language; each of the other
files knows one family of n8n's nodes and has a TABLE of them.
"""

from workflow_engine.services.n8n.document import from_n8n, settle

__all__ = ["from_n8n", "settle"]
