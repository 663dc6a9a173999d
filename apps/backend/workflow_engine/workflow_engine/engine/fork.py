"""What a new execution may take over from an earlier one.

A retry, a re-run and a fork are all the same: a new execution that is given outcomes of the old one, and performs the
rest. An outcome may be taken over when nothing that it rests on is done anew. What rests on a run: the nodes behind it
in its own frame, with everything inside them; then the later turns of the scope around it, and what follows that scope;
and so on outwards. Other branches of a map, and earlier iterations of a loop, do not rest on it and are kept.
"""

from __future__ import annotations

from collections.abc import Iterable

from workflow_engine.engine.events import AnyEvent, NodeExpanded, NodeIterated, NodeSucceeded, Outcome
from workflow_engine.engine.history import History
from workflow_engine.engine.plan import ROOT, Plan
from workflow_engine.engine.shape import DONE, ERROR, RETURN, Scope
from workflow_engine.engine.state import RunKey
from workflow_engine.proto import workflow_pb2 as pb


def failed_runs(plan: Plan, events: Iterable[AnyEvent]) -> list[RunKey]:
    """Runs that ended in a failure, innermost only: a scope fails because something in it did."""
    history = History.of(plan, events)
    failed = [record.key for record in history.runs.values() if record.status == "failed"]
    return [key for key in failed if not any(_encloses(plan, key, other) for other in failed)]


def _encloses(plan: Plan, owner: RunKey, inner: RunKey) -> bool:
    node, path = inner
    scope = plan.nodes[node].scope
    while scope != ROOT:
        path = path[:-1]
        if (scope, path) == owner:
            return True
        scope = plan.nodes[scope].scope
    return False


def runs_of(plan: Plan, events: Iterable[AnyEvent], nodes: Iterable[str]) -> list[RunKey]:
    """Every run that the nodes had."""
    wanted = {plan.by_id[node] for node in nodes}
    history = History.of(plan, events)
    return [key for key in history.runs if key[0] in wanted]


def changed_nodes(old: pb.Workflow, new: pb.Workflow) -> list[str]:
    """Nodes of `new` that are not what they were, or are not fed as they were."""
    before = {node.id: _meaning(old, node) for node in old.nodes}
    return [node.id for node in new.nodes if before.get(node.id) != _meaning(new, node)]


def _meaning(workflow: pb.Workflow, node: pb.Node) -> tuple[bytes, tuple[str, ...]]:
    """What decides a node's outcome: its definition without how it looks, and what leads into it."""
    bare = pb.Node()
    bare.CopyFrom(node)
    bare.ClearField("position")
    bare.ClearField("notes")
    inbound = sorted(
        f"{connection.from_node}.{connection.from_port}->{connection.to_port}"
        for connection in workflow.connections
        if connection.to_node == node.id
    )
    return bare.SerializeToString(deterministic=True), tuple(inbound)


def reusable(plan: Plan, events: Iterable[AnyEvent], anew: Iterable[RunKey]) -> list[Outcome]:
    """Outcomes among `events` that do not rest on any of the runs `anew`, in their order."""
    rests = _Resting(plan)
    for key in anew:
        rests.add(key)
    return [
        event
        for event in events
        if isinstance(event, NodeSucceeded | NodeIterated | NodeExpanded)
        and event.node in plan.by_id
        and not rests.on(plan.by_id[event.node], event.path, event.turn)
    ]


class _Resting:
    """The runs that rest on given ones."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.whole: set[RunKey] = set()
        """Runs to be done anew, with everything inside them."""
        self.later: dict[RunKey, int] = {}
        """Loops whose turns after the given one are done anew."""

    def add(self, key: RunKey) -> None:
        node, path = key
        self.whole.add(key)
        self._behind(node, path)
        scope = self.plan.nodes[node].scope
        while scope != ROOT:
            turn, path = path[-1], path[:-1]
            owner = (scope, path)
            self.later[owner] = min(turn, self.later.get(owner, turn))
            self._behind(scope, path)
            scope = self.plan.nodes[scope].scope

    def _behind(self, node: int, path: tuple[int, ...]) -> None:
        """Everything that follows `node` in its own frame."""
        todo = [node]
        while todo:
            source = self.plan.nodes[todo.pop()]
            owns = source.shape.scope is not Scope.NONE
            for port, links in source.outgoing.items():
                if owns and port not in (DONE, ERROR):
                    continue
                for link in links:
                    target = self.plan.nodes[link.target]
                    leads_back = link.port == RETURN and target.shape.scope is not Scope.NONE
                    if not leads_back and (link.target, path) not in self.whole:
                        self.whole.add((link.target, path))
                        todo.append(link.target)

    def on(self, node: int, path: tuple[int, ...], turn: int) -> bool:
        if (node, path) in self.whole:
            return True
        last = self.later.get((node, path))
        if last is not None and self.plan.nodes[node].shape.scope is Scope.LOOP and turn > last:
            return True
        scope = self.plan.nodes[node].scope
        while scope != ROOT:
            turn, path = path[-1], path[:-1]
            last = self.later.get((scope, path))
            if (scope, path) in self.whole:
                return True
            if last is not None and self.plan.nodes[scope].shape.scope is Scope.LOOP and turn > last:
                return True
            scope = self.plan.nodes[scope].scope
        return False
