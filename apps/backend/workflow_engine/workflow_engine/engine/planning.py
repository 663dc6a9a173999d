"""Makes a plan of a drawn workflow, or says what is wrong with it. What a plan is: `plan.py`.

`build` never raises for what a person drew: it returns the issues it found, each with the node, the field and what to
do, and a plan only when none of them is an error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from workflow_engine.engine.expressions import ExpressionErrors, compile_template
from workflow_engine.engine.items import BinaryRef, Item, Outputs
from workflow_engine.engine.plan import (
    ROOT,
    Built,
    Catalogue,
    Issue,
    Limits,
    Link,
    NodeKind,
    Plan,
    PlanNode,
    ScopePlan,
)
from workflow_engine.engine.retry import RetryPolicy
from workflow_engine.engine.shape import DONE, ERROR, RETURN, JoinKind, Port, PortKind, Scope, Shape
from workflow_engine.proto import workflow_pb2 as pb
from workflow_engine.utils.closest import closest
from workflow_engine.utils.structs import struct_to_dict


def build(workflow: pb.Workflow, catalogue: Catalogue) -> Built:
    """Plans `workflow`. O(nodes + connections), and one bit matrix when expressions name other nodes."""
    return _Builder(workflow, catalogue).build()


class _Builder:
    def __init__(self, workflow: pb.Workflow, catalogue: Catalogue) -> None:
        self.workflow = workflow
        self.catalogue = catalogue
        self.issues: list[Issue] = []
        self.nodes: list[PlanNode] = []
        self.by_id: dict[str, int] = {}
        self.by_name: dict[str, int] = {}
        self.sources: dict[int, list[tuple[int, str, str]]] = defaultdict(list)
        """target -> (source, source port, target port), data connections only."""

    def error(self, code: str, message: str, *, node: str = "", field: str = "", suggestion: str = "") -> None:
        self.issues.append(Issue(code, message, node, field, suggestion))

    def warn(self, code: str, message: str, *, node: str = "", field: str = "", suggestion: str = "") -> None:
        self.issues.append(Issue(code, message, node, field, suggestion, is_error=False))

    def build(self) -> Built:
        self.check_settings()
        self.check_timezone()
        self.add_nodes()
        self.add_connections()
        self.bind_parts()
        self.bind_undo()
        if not any(issue.is_error for issue in self.issues):
            order = self.order()
            if order is not None and self.find_scopes():
                self.check_references(order)
                self.check_reachability(order)
                self.find_cancellable()
        shapes = {node.id: node.shape for node in self.nodes}
        if any(issue.is_error for issue in self.issues):
            return Built(None, self.issues, shapes)
        return Built(self.finish(), self.issues, shapes)

    def check_settings(self) -> None:
        settings = self.workflow.settings
        try:
            self.concurrency_key = compile_template(settings.concurrency_key, field="concurrency_key")
        except ExpressionErrors as failed:
            for error in failed.errors:
                self.error(
                    "INVALID_EXPRESSION",
                    f"{error.message} (character {error.offset})",
                    field="settings.concurrency_key",
                    suggestion=error.hint,
                )
        if settings.concurrency_key and not (settings.max_concurrent_executions or settings.rate_limit.max_starts):
            self.warn(
                "NOT_APPLIED",
                "settings.concurrency_key divides a limit, but none is set",
                field="settings.concurrency_key",
                suggestion="set max_concurrent_executions or rate_limit",
            )

    def check_timezone(self) -> None:
        name = self.workflow.settings.timezone
        try:
            ZoneInfo(name or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.error(
                "UNKNOWN_TIMEZONE",
                f"there is no time zone {name!r}",
                field="settings.timezone",
                suggestion=closest(name, available_timezones()) or "write an IANA name such as Europe/Berlin",
            )

    # nodes

    def add_nodes(self) -> None:
        for position, node in enumerate(self.workflow.nodes):
            if node.id in self.by_id:
                self.error(
                    "DUPLICATE_NODE_ID",
                    f"two nodes have the id {node.id!r}",
                    node=node.id,
                    field=f"nodes[{position}].id",
                    suggestion="give every node an id of its own",
                )
                continue
            kind = self.catalogue.find(node.type, node.type_version)
            if kind is None:
                self.unknown_type(node, position)
                continue
            name = node.name or node.id
            if name in self.by_name:
                self.error(
                    "DUPLICATE_NODE_NAME",
                    f"two nodes are named {name!r}; expressions could not tell them apart",
                    node=node.id,
                    field=f"nodes[{position}].name",
                )
            self.by_id[node.id] = self.by_name[name] = len(self.nodes)
            self.nodes.append(self.plan_node(node, name, kind))

    def unknown_type(self, node: pb.Node, position: int) -> None:
        if known := self.catalogue.find(node.type, 0):
            message = f"{node.type} has no version {node.type_version}"
            suggestion = f"use version {known.version}"
        else:
            message = f"there is no node type {node.type!r}"
            suggestion = closest(node.type, self.catalogue.types()) or "ListNodeTypes shows what there is"
        self.error("UNKNOWN_NODE_TYPE", message, node=node.id, field=f"nodes[{position}].type", suggestion=suggestion)

    def plan_node(self, node: pb.Node, name: str, kind: NodeKind) -> PlanNode:
        parameters = struct_to_dict(node.parameters)
        try:
            template = compile_template(parameters, literal=kind.literals)
        except ExpressionErrors as failed:
            template = compile_template({})
            for error in failed.errors:
                self.error(
                    "INVALID_EXPRESSION",
                    f"{error.message} (character {error.offset})",
                    node=node.id,
                    field=f"parameters.{error.field}",
                    suggestion=error.hint,
                )
        for problem in kind.check(parameters):
            self.error(
                problem.code,
                problem.message,
                node=node.id,
                field=f"parameters.{problem.field}" if problem.field else "parameters",
                suggestion=problem.suggestion,
            )
        shape = kind.shape(parameters)
        on_error = pb.OnError.Name(node.on_error).removeprefix("ON_ERROR_").lower()
        if on_error == "error_port" and shape.output(ERROR) is None:
            shape = _with_error_port(shape)
        return PlanNode(
            index=len(self.nodes),
            id=node.id,
            name=name,
            kind=kind,
            shape=shape,
            template=template,
            retry=RetryPolicy.from_proto(node.retry),
            timeout=node.timeout.ToMilliseconds(),
            on_error="stop" if on_error == "unspecified" else on_error,
            on_unknown=_unknown_outcome(node.on_unknown_outcome),
            disabled=node.disabled,
            notes=node.notes.strip(),
            pinned=_pinned(node),
            credentials=dict(node.credentials),
            is_flow=not shape.is_part,
        )

    # connections

    def add_connections(self) -> None:
        seen: set[tuple[str, str, str, str]] = set()
        for position, connection in enumerate(self.workflow.connections):
            where = f"connections[{position}]"
            key = (
                connection.from_node,
                connection.from_port or "main",
                connection.to_node,
                connection.to_port or "main",
            )
            if key in seen:
                self.error("DUPLICATE_CONNECTION", f"{_drawn(key)} is drawn twice", node=key[2], field=where)
                continue
            seen.add(key)
            source = self.end(key[0], f"{where}.from_node", _drawn(key))
            target = self.end(key[2], f"{where}.to_node", _drawn(key))
            if source and target:
                self.connect(source, key[1], target, key[3], where)

    def end(self, id: str, where: str, drawn: str) -> PlanNode | None:
        if id in self.by_id:
            return self.nodes[self.by_id[id]]
        if not any(node.id == id for node in self.workflow.nodes):
            self.error(
                "DANGLING_CONNECTION",
                f"{drawn} names a node {id!r} that does not exist",
                node=id,
                field=where,
                suggestion=closest(id, self.by_id) or "remove the connection or add the node",
            )
        return None

    def connect(self, source: PlanNode, out: str, target: PlanNode, into: str, where: str) -> None:
        out_port, in_port = source.shape.output(out), target.shape.input(into)
        if out_port is None:
            self.no_port(source, out, source.shape.outputs, f"{where}.from_port", "output")
        if in_port is None:
            self.no_port(target, into, target.shape.inputs, f"{where}.to_port", "input")
        if out_port is None or in_port is None:
            return
        if out_port.kind is not in_port.kind or out_port.resource != in_port.resource:
            self.error(
                "PORT_KIND_MISMATCH",
                f"{source.id}.{out} gives {_carries(out_port)}, but {target.id}.{into} takes {_carries(in_port)}",
                node=target.id,
                field=f"{where}.to_port",
            )
        elif out_port.kind is PortKind.RESOURCE:
            target.parts.setdefault(into, []).append(source.index)
        else:
            returns = target.shape.scope is not Scope.NONE and into == RETURN
            ordinal = target.returns if returns else target.inbound
            source.outgoing.setdefault(out, []).append(Link(target.index, into, ordinal))
            self.sources[target.index].append((source.index, out, into))
            if returns:
                target.returns += 1
            else:
                target.inbound += 1

    def no_port(self, node: PlanNode, name: str, ports: tuple[Port, ...], where: str, side: str) -> None:
        names = [port.name for port in ports]
        has = f"it has {', '.join(names)}" if names else "it has none"
        if side == "output" and name == ERROR:
            has += "; set on_error to ERROR_PORT to have one for failures"
        self.error(
            "UNKNOWN_PORT",
            f"{node.id} ({node.kind.type}) has no {side} port {name!r}",
            node=node.id,
            field=where,
            suggestion=closest(name, names) or has,
        )

    def bind_parts(self) -> None:
        """A node that others bind is theirs: it takes no part in the flow of items."""
        bound = {part for node in self.nodes for parts in node.parts.values() for part in parts}
        for node in self.nodes:
            if node.index in bound and (node.inbound or node.outgoing):
                self.error(
                    "PART_CONNECTED",
                    f"{node.id!r} is bound by another node, so no items can flow through it as well",
                    node=node.id,
                    field="connections",
                    suggestion="make a copy of it: one to be bound, one in the flow",
                )
            elif node.index in bound:
                node.is_flow = False
            elif node.template.arguments and not node.shape.is_part:
                self.error(
                    "FROM_AI_OUTSIDE_TOOL",
                    f"{node.id!r} leaves {', '.join(each.name for each in node.template.arguments)} to a model, "
                    "but no agent uses it as a tool",
                    node=node.id,
                    field="parameters",
                    suggestion="connect its 'tool' port to an agent's 'tools', or write the value itself",
                )
        for ring in self.part_rings():
            names = " -> ".join(self.nodes[index].id for index in [*ring, ring[0]])
            self.error(
                "PART_CYCLE",
                f"{names} bind each other in a ring",
                node=self.nodes[ring[0]].id,
                field="connections",
                suggestion="remove one of these connections",
            )

    def part_rings(self) -> Iterable[list[int]]:
        """The first ring of nodes that bind each other, if there is one."""
        done: set[int] = set()

        def search(index: int, path: list[int]) -> list[int] | None:
            if index in path:
                return path[path.index(index) :]
            if index in done:
                return None
            for part in (each for parts in self.nodes[index].parts.values() for each in parts):
                if ring := search(part, [*path, index]):
                    return ring
            done.add(index)
            return None

        found = (search(node.index, []) for node in self.nodes if node.parts)
        return [ring for ring in found if ring][:1]

    def bind_undo(self) -> None:
        undone: dict[str, str] = {}
        for node in self.workflow.nodes:
            if not node.undo_node or node.id not in self.by_id:
                continue
            undo = self.by_id.get(node.undo_node)
            if undo is None:
                self.error(
                    "UNKNOWN_NODE",
                    f"undo_node names {node.undo_node!r}, which does not exist",
                    node=node.id,
                    field="undo_node",
                    suggestion=closest(node.undo_node, self.by_id),
                )
                continue
            step = self.nodes[undo]
            if step.inbound or step.outgoing or step.id == node.id:
                self.error(
                    "UNDO_NODE_CONNECTED",
                    f"{step.id!r} undoes {node.id!r}, so it can not be connected as well",
                    node=step.id,
                    field="undo_node",
                    suggestion="keep an undo step off the drawing's connections; it gets the undone node's output",
                )
            elif step.id in undone:
                self.error(
                    "UNDO_NODE_SHARED",
                    f"{step.id!r} undoes both {undone[step.id]!r} and {node.id!r}",
                    node=step.id,
                    field="undo_node",
                    suggestion="make a copy of the undo step for each node",
                )
            undone[step.id] = node.id
            step.is_flow = False
            self.nodes[self.by_id[node.id]].undo = undo

    # structure

    def order(self) -> list[int] | None:
        """The nodes so that each comes after what it waits for; None, with an issue, when a cycle forbids it."""
        waits = [node.inbound for node in self.nodes]
        order = [node.index for node in self.nodes if not waits[node.index]]
        for index in order:
            for link in self.forward(index):
                waits[link.target] -= 1
                if not waits[link.target]:
                    order.append(link.target)
        if len(order) == len(self.nodes):
            return order
        stuck = {node.index for node in self.nodes} - set(order)
        ring = self.ring(stuck)
        names = " -> ".join(self.nodes[index].id for index in [*ring, ring[0]])
        self.error(
            "CYCLE_OUTSIDE_LOOP",
            f"{names} is a cycle outside a loop: none of these nodes could ever start",
            node=self.nodes[ring[0]].id,
            field="connections",
            suggestion="put the repeated part into a flow.loop and lead its end back to the loop's 'return' port",
        )
        return None

    def ring(self, stuck: set[int]) -> list[int]:
        """One cycle among nodes that all wait for each other."""
        path, at = [], min(stuck)
        while at not in path:
            path.append(at)
            at = min(source for source, _, port in self.sources[at] if source in stuck and not self.is_return(at, port))
        ring = path[path.index(at) :][::-1]
        first = ring.index(min(ring))
        return ring[first:] + ring[:first]

    def is_return(self, target: int, port: str) -> bool:
        return port == RETURN and self.nodes[target].shape.scope is not Scope.NONE

    def forward(self, index: int) -> Iterable[Link]:
        """The data connections out of a node, without the ways back into a loop."""
        for links in self.nodes[index].outgoing.values():
            for link in links:
                if not self.is_return(link.target, link.port):
                    yield link

    def find_scopes(self) -> bool:
        regions = [(node.index, self.region(node)) for node in self.nodes if node.shape.scope is not Scope.NONE]
        # The smaller region lies inside the larger, so writing from large to small leaves the innermost owner.
        for owner_index, region in sorted(regions, key=lambda each: -len(each[1])):
            for index in region:
                self.nodes[index].scope = owner_index
        for node in self.nodes:
            for port, links in node.outgoing.items():
                for link in links:
                    self.check_scope(node, port, link)
        return not any(issue.is_error for issue in self.issues)

    def region(self, owner: PlanNode) -> set[int]:
        body_ports = [port for port in owner.outgoing if port not in (DONE, ERROR)]
        todo = [link.target for port in body_ports for link in owner.outgoing[port] if link.target != owner.index]
        region: set[int] = set()
        while todo:
            index = todo.pop()
            if index in region or index == owner.index:
                continue
            region.add(index)
            todo.extend(
                link.target
                for links in self.nodes[index].outgoing.values()
                for link in links
                if link.target != owner.index
            )
        return region

    def check_scope(self, source: PlanNode, port: str, link: Link) -> None:
        target = self.nodes[link.target]
        owns = source.shape.scope is not Scope.NONE and port not in (DONE, ERROR)
        from_scope = source.index if owns else source.scope
        into_scope = target.index if self.is_return(target.index, link.port) else target.scope
        if from_scope == into_scope:
            return
        drawn = f"{source.id}.{port} -> {target.id}.{link.port}"
        inside = self.nodes[into_scope].id if into_scope != ROOT else ""
        if into_scope == source.index:
            message = f"{target.id!r} is led to both from the body of {source.id!r} and from its {port!r} port"
            suggestion = f"lead the end of the body to {source.id}.return only; what follows starts at its 'done' port"
        elif inside and self.within(from_scope, into_scope):
            message = f"{drawn} leaves the body of {self.nodes[from_scope].id!r} other than by its 'return' port"
            suggestion = f"lead it to {self.nodes[from_scope].id}.return and go on from its 'done' port"
        elif inside:
            message = f"{drawn} enters the body of {inside!r} from outside"
            suggestion = f'read the data by an expression, node["{source.name}"], or lead it through {inside}'
        else:
            message = f"{drawn} leaves the body of {self.nodes[from_scope].id!r} other than by its 'return' port"
            suggestion = f"go on from {self.nodes[from_scope].id}.done"
        self.error("SCOPE_CROSSED", message, node=target.id, field="connections", suggestion=suggestion)

    def within(self, inner: int, outer: int) -> bool:
        while inner not in (ROOT, outer):
            inner = self.nodes[inner].scope
        return inner == outer

    # meaning

    def check_references(self, order: list[int]) -> None:
        if not any(node.template.nodes for node in self.nodes):
            return
        above = [0] * len(self.nodes)
        for index in order:
            mine = above[index] | (1 << index)
            for link in self.forward(index):
                above[link.target] |= mine
        undone_by = {node.undo: node.index for node in self.nodes if node.undo >= 0}
        bound_by = {part: node.index for node in self.nodes for parts in node.parts.values() for part in parts}
        for node in self.nodes:
            # An undo step and a part see what the node that they serve sees.
            seat = undone_by.get(node.index, bound_by.get(node.index, node.index))
            for name in sorted(node.template.nodes):
                self.check_reference(node, name, above[seat] | (1 << seat if seat != node.index else 0))

    def check_reference(self, node: PlanNode, name: str, above: int) -> None:
        found = self.by_name.get(name, self.by_id.get(name))
        where = self.reference_field(node, name)
        if found is None:
            self.error(
                "UNKNOWN_REFERENCE",
                f"an expression names the node {name!r}, which does not exist",
                node=node.id,
                field=where,
                suggestion=closest(name, [*self.by_name, *self.by_id]),
            )
            return
        named = self.nodes[found]
        named.keeps_outputs = True
        if above >> found & 1:
            return
        if named.scope != ROOT and not self.within(node.scope, named.scope):
            owner = self.nodes[named.scope].id
            suggestion = f"{name!r} runs many times inside {owner!r}: read what {owner!r} delivers when it is done"
        else:
            suggestion = f"connect {name!r} so that it runs before {node.id!r}"
        self.error(
            "REFERENCE_NOT_UPSTREAM",
            f"an expression names {name!r}, which does not run before {node.id!r}",
            node=node.id,
            field=where,
            suggestion=suggestion,
        )

    def reference_field(self, node: PlanNode, name: str) -> str:
        for place in node.template.fields_naming(name):
            return f"parameters.{place}"
        return "parameters"

    def check_reachability(self, order: list[int]) -> None:
        triggers = [node.index for node in self.nodes if node.shape.is_trigger]
        for node in self.nodes:
            for port in node.shape.inputs:
                if port.kind is PortKind.RESOURCE and port.required and port.name not in node.parts:
                    self.error(
                        "MISSING_PART",
                        f"{node.id} needs a {port.resource} on its {port.name!r} port",
                        node=node.id,
                        field=f"ports.{port.name}",
                        suggestion=f"connect a {port.resource} node to {node.id}.{port.name}",
                    )
            if node.shape.scope is not Scope.NONE and not node.returns:
                self.warn(
                    "NO_RETURN",
                    f"nothing leads back to {node.id}.return, so its result is always empty",
                    node=node.id,
                    suggestion=f"connect the end of the body to {node.id}.return",
                )
        if not triggers:
            return
        reached = set(triggers)
        for index in order:
            if index in reached:
                reached.update(link.target for link in self.forward(index))
        for node in self.nodes:
            if node.is_flow and node.index not in reached:
                self.warn(
                    "UNREACHABLE_NODE",
                    f"no trigger leads to {node.id!r}, so it never runs",
                    node=node.id,
                    suggestion="connect it to a node that runs, or delete it",
                )

    def find_cancellable(self) -> None:
        for join in self.nodes:
            if join.shape.join.kind is not JoinKind.QUORUM or not join.shape.join.cancel_rest:
                continue
            feeding: set[int] = set()
            todo = [join.index]
            while todo:
                for source, _, _ in self.sources[todo.pop()]:
                    node = self.nodes[source]
                    ahead = {link.target for port in node.ways_on for link in node.outgoing.get(port, ())}
                    if source not in feeding and node.scope == join.scope and ahead <= feeding | {join.index}:
                        feeding.add(source)
                        todo.append(source)
            join.feeds_only = tuple(sorted(feeding))

    def finish(self) -> Plan:
        members: dict[int, list[int]] = defaultdict(list)
        for node in self.nodes:
            if node.is_flow:
                members[node.scope].append(node.index)
        owners = [ROOT] + [node.index for node in self.nodes if node.shape.scope is not Scope.NONE]
        scopes = {
            owner: ScopePlan(
                owner,
                tuple(members[owner]),
                {index: self.nodes[index].inbound for index in members[owner]},
                tuple(index for index in members[owner] if self.nodes[index].keeps_outputs),
            )
            for owner in owners
        }
        root = [self.nodes[index] for index in members[ROOT]]
        leaves = tuple(node.index for node in root if not node.leads_on)
        responders = tuple(node.index for node in self.nodes if node.shape.responds)
        for index in {*leaves, *responders}:
            self.nodes[index].gives_result = True
        settings = self.workflow.settings
        return Plan(
            workflow_id=self.workflow.id,
            nodes=self.nodes,
            by_id=self.by_id,
            by_name=self.by_id | self.by_name,
            scopes=scopes,
            timeout=settings.timeout.ToMilliseconds(),
            error_workflow=settings.error_workflow_id,
            timezone=settings.timezone or "UTC",
            limits=Limits(
                settings.max_concurrent_executions,
                settings.rate_limit.max_starts,
                settings.rate_limit.per.ToMilliseconds() or 1_000,
            ),
            concurrency_key=self.concurrency_key,
            priority=settings.priority,
            vars=struct_to_dict(self.workflow.vars),
            leaves=leaves,
            responders=responders,
            entries=tuple(node.index for node in root if not node.inbound),
        )


def _with_error_port(shape: Shape) -> Shape:
    return replace(shape, outputs=(*shape.outputs, Port(ERROR, description="Items that failed.")))


def _drawn(key: tuple[str, str, str, str]) -> str:
    return f"{key[0]}.{key[1]} -> {key[2]}.{key[3]}"


def _carries(port: Port) -> str:
    return "items" if port.kind is PortKind.DATA else f"a {port.resource}"


def _unknown_outcome(value: pb.UnknownOutcome.ValueType) -> str:
    name = pb.UnknownOutcome.Name(value).removeprefix("UNKNOWN_OUTCOME_").lower()
    return "park" if name == "unspecified" else name


def _pinned(node: pb.Node) -> Outputs | None:
    if not node.HasField("pinned"):
        return None
    return {port: [item_from_proto(item) for item in items.items] for port, items in node.pinned.outputs.items()}


def item_from_proto(item: pb.Item) -> Item:
    """The item that a request or a pinned output carries."""
    binary = {
        slot: BinaryRef(ref.id, ref.size_bytes, ref.media_type, ref.file_name) for slot, ref in item.binary.items()
    }
    return Item(struct_to_dict(item.json), binary)
