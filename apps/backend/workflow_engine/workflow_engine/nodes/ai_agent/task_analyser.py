"""ai_agent.task_analyser: a language model takes a task apart."""

from __future__ import annotations

from workflow_engine.engine.items import Json
from workflow_engine.nodes.ai_agent.thinking import Text, Thinking, ThinkingParameters, told
from workflow_engine.nodes.spec import Call, Emit

_TEXTS: Json = {"type": "array", "items": {"type": "string"}}
SCHEMA: Json = {
    "type": "object",
    "properties": {
        "goal": {"type": "string", "description": "What is wanted in the end, in one sentence."},
        "subtasks": {
            "type": "array",
            "description": "Steps towards it, each something that one person or program can do.",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "string", "description": "Short and unique, such as t1."},
                    "title": {"type": "string"},
                    "description": {"type": "string"},
                    "depends_on": {**_TEXTS, "description": "Ids of the subtasks that have to be done before."},
                    "effort": {"type": "string", "enum": ["minutes", "hours", "days", "weeks"]},
                },
                "required": ["id", "title", "description", "depends_on", "effort"],
                "additionalProperties": False,
            },
        },
        "missing_information": {**_TEXTS, "description": "Questions that have to be answered first."},
        "risks": _TEXTS,
        "done_when": {**_TEXTS, "description": "How to see that it is done."},
    },
    "required": ["goal", "subtasks", "missing_information", "risks", "done_when"],
    "additionalProperties": False,
}


class TaskAnalyserParameters(ThinkingParameters):
    """The task, and what is known about it."""

    task: Text
    """The task in words; usually an expression."""
    background: str = ""
    """What else is known: people, systems, rules."""


class TaskAnalyser(Thinking[TaskAnalyserParameters]):
    """Adds to each item, under `analysis`, a task taken apart by a language model.

    It has a `goal`, `subtasks` with what each depends on, `missing_information`, `risks` and `done_when`. Subtasks
    depend on ones that exist, and never in a circle; an answer that breaks this goes back to the model.
    """

    type = "ai_agent.task_analyser"
    summary = "Lets a language model take a task apart into subtasks."
    example = {"task": "{{ json.request }}"}

    async def run(self, call: Call[TaskAnalyserParameters]) -> Emit:
        asked = call.parameters
        background = f"What is known:\n{asked.background}" if asked.background else ""
        answer = await self.asked(
            call,
            asked.task,
            f"Take the task apart. Ask for what is missing instead of guessing it. {background}",
            SCHEMA,
            _disorder,
        )
        return Emit({"main": [told(call.item, answer.ledger, analysis=answer.output)]}, usage=answer.ledger.total)


def _disorder(analysis: Json) -> str:
    """What is wrong with the order of the subtasks; empty when nothing is."""
    needs = {task["id"]: set(task["depends_on"]) for task in analysis["subtasks"]}
    if len(needs) < len(analysis["subtasks"]):
        return "two subtasks have the same id"
    for id, before in needs.items():
        if unknown := before - needs.keys():
            return f"subtask {id!r} depends on {min(unknown)!r}, which does not exist"
    while needs:
        free = {id for id, before in needs.items() if not before}
        if not free:
            return f"the subtasks {', '.join(sorted(needs))} depend on each other in a circle"
        needs = {id: before - free for id, before in needs.items() if id not in free}
    return ""
