"""n8n's expressions, which are JavaScript, in our language.

A grammar reads them; each construct that means the same here is written in CEL. What has no counterpart raises `Beyond`
in words for the person who has to rewrite it: nothing is guessed, because an expression that is nearly right is worse
than one that is missing.
"""

from workflow_engine.services.n8n.javascript.cel import Beyond, Cel, quoted
from workflow_engine.services.n8n.javascript.luxon import strftime
from workflow_engine.services.n8n.javascript.translator import object_members, translated

__all__ = ["Beyond", "Cel", "object_members", "quoted", "strftime", "translated"]
