import { describe, expect, it } from "vitest";
import { copy, paste } from "~/model/clipboard";
import { apply, type Edit, inverse, many, rename } from "~/model/edits";
import { type Doc, type Node, named, reaches, refusal, upstream } from "~/model/graph";
import { begin, perform, redo, undo } from "~/model/history";

const node = (id: string, more: Partial<Node> = {}): Node => ({
  id,
  type: "flow.no_op",
  name: id.toUpperCase(),
  ...more,
});
const doc: Doc = {
  id: "wf",
  name: "A story",
  nodes: [
    node("start", { type: "trigger.manual" }),
    node("fetch", { position: { x: 10, y: 20 } }),
    node("show", {
      parameters: { text: 'Total {{ node["FETCH"].json.total }}', rows: ["{{ $('FETCH').item }}"] },
    }),
  ],
  connections: [
    { fromNode: "start", toNode: "fetch" },
    { fromNode: "fetch", fromPort: "main", toNode: "show", toPort: "main" },
  ],
};

describe("edits", () => {
  const stories: Record<string, Edit> = {
    "adding a node and a connection": {
      kind: "add",
      nodes: [node("more")],
      connections: [{ fromNode: "show", toNode: "more" }],
    },
    "removing a node takes its connections along": { kind: "remove", nodes: ["fetch"], connections: [] },
    "cutting a connection": { kind: "remove", nodes: [], connections: ["start.main->fetch.main"] },
    "changing and clearing fields": {
      kind: "change",
      node: "show",
      fields: { disabled: true, parameters: undefined },
    },
    "moving a node that had no place": { kind: "move", positions: { show: { x: 1, y: 2 } } },
    "renaming the workflow": { kind: "head", fields: { name: "Another", tags: ["x"] } },
    "several at once": many([
      { kind: "remove", nodes: ["start"], connections: [] },
      { kind: "add", nodes: [node("begin")], connections: [{ fromNode: "begin", toNode: "fetch" }] },
      { kind: "change", node: "begin", fields: { notes: "here" } },
    ]),
  };
  for (const [story, edit] of Object.entries(stories))
    it(`${story} can be taken back`, () => {
      const after = apply(doc, edit);
      expect(after).not.toEqual(doc);
      const back = apply(after, inverse(doc, edit));
      expect(back.nodes).toEqual(
        edit.kind === "move"
          ? doc.nodes?.map((each) => (each.id === "show" ? { ...each, position: { x: 0, y: 0 } } : each))
          : doc.nodes,
      );
      expect(back.connections).toEqual(doc.connections);
      expect(back.name).toBe(doc.name);
    });

  it("never changes the workflow that it is applied to", () => {
    const before = structuredClone(doc);
    for (const edit of Object.values(stories)) apply(doc, edit);
    expect(doc).toEqual(before);
  });

  it("renames a node in every expression that reads it, and nowhere else", () => {
    const after = apply(doc, rename(doc, "fetch", "Load orders"));
    expect(after.nodes?.[1]?.name).toBe("Load orders");
    expect(after.nodes?.[2]?.parameters).toEqual({
      text: 'Total {{ node["Load orders"].json.total }}',
      rows: ["{{ $('Load orders').item }}"],
    });
  });
});

describe("history", () => {
  it("goes back and forth, and forgets the future at a new edit", () => {
    let history = perform(begin(doc), { kind: "change", node: "show", fields: { notes: "one" } });
    history = perform(history, { kind: "change", node: "show", fields: { notes: "two" } });
    history = undo(history);
    expect(history.doc.nodes?.[2]?.notes).toBe("one");
    history = redo(history);
    expect(history.doc.nodes?.[2]?.notes).toBe("two");
    history = perform(undo(history), { kind: "head", fields: { name: "New" } });
    expect(redo(history)).toBe(history);
    expect(undo(undo(history)).doc).toEqual(doc);
  });

  it("takes a typed word back as one", () => {
    let history = begin(doc);
    for (const name of ["N", "Ne", "New"])
      history = perform(history, { kind: "head", fields: { name } }, "name");
    expect(history.past).toHaveLength(1);
    expect(undo(history).doc.name).toBe("A story");
    expect(redo(undo(history)).doc.name).toBe("New");
  });

  it("holds nothing of an edit that changes nothing", () => {
    const history = begin(doc);
    expect(perform(history, { kind: "add", nodes: [], connections: [] })).toBe(history);
  });
});

describe("clipboard", () => {
  it("pastes nodes under new ids and names, with the connections between them", () => {
    const made = paste(doc, copy(doc, ["fetch", "show"]));
    const after = apply(doc, made?.edit ?? many([]));
    expect(after.nodes?.map((each) => each.id)).toEqual(["start", "fetch", "show", "fetch_2", "show_2"]);
    expect(after.nodes?.[3]?.name).toBe("FETCH 2");
    expect(after.connections?.at(-1)).toMatchObject({ fromNode: "fetch_2", toNode: "show_2" });
  });

  it("leaves other text alone", () => {
    expect(paste(doc, "hello")).toBeUndefined();
    expect(paste(doc, '{"nodes": "no"}')).toBeUndefined();
  });
});

describe("graph", () => {
  const main = [{ name: "main", kind: "PORT_KIND_DATA" as const }];
  const ports = (of: Node) => ({ inputs: of.type === "trigger.manual" ? [] : main, outputs: main });
  const link = (fromNode: string, toNode: string) => ({ fromNode, fromPort: "main", toNode, toPort: "main" });

  it("knows what comes before a node, nearest first", () => {
    expect(upstream(doc, "show").map((each) => each.id)).toEqual(["fetch", "start"]);
    expect(reaches(doc, "start", "show")).toBe(true);
  });

  it("says why a connection may not be drawn", () => {
    expect(refusal(doc, link("start", "show"), ports)).toBeUndefined();
    expect(refusal(doc, link("start", "fetch"), ports)?.code).toBe("twice");
    expect(refusal(doc, link("show", "fetch"), ports)?.code).toBe("cycle");
    expect(refusal(doc, link("show", "start"), ports)?.code).toBe("missing");
    expect(refusal(doc, link("show", "show"), ports)?.code).toBe("self");
  });
});

describe("what the engine says of nodes", () => {
  it("names them as people do", () => {
    const doc: Doc = {
      nodes: [
        { id: "http_request", name: "Fetch orders", type: "action.http_request" },
        { id: "set", name: "Note", type: "flow.set" },
        { id: "loop", name: "loop", type: "flow.loop" },
      ],
    };
    expect(named("no trigger leads to 'set', so it never runs", doc)).toBe(
      "no trigger leads to 'Note', so it never runs",
    );
    expect(named("set needs a model on its 'model' port", doc)).toBe(
      "Note needs a model on its 'model' port",
    );
    expect(named("http_request.main -> loop.main leaves the body", doc)).toBe(
      "Fetch orders.main -> loop.main leaves the body",
    );
    expect(named("to change it, set a limit", doc)).toBe("to change it, set a limit");
  });
});
