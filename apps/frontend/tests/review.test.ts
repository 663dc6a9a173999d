import { describe, expect, it } from "vitest";
import { apply } from "~/model/edits";
import { type Doc, tidied } from "~/model/graph";
import { accepted, differences, gathered, proposals } from "~/model/review";
import { statesByNode } from "~/model/runs";
import { columns, shapeOf } from "~/model/table";

const before: Doc = {
  name: "Orders",
  nodes: [
    { id: "start", type: "trigger.manual" },
    {
      id: "send",
      type: "action.http_request",
      parameters: { url: "https://a", method: "GET" },
      position: { x: 0, y: 0 },
    },
  ],
  connections: [{ fromNode: "start", toNode: "send" }],
};
const after: Doc = {
  name: "Orders",
  nodes: [
    { id: "start", type: "trigger.manual", typeVersion: 1 },
    { id: "check", type: "flow.if", name: "Large?", parameters: { condition: "{{ json.total > 100 }}" } },
    {
      id: "send",
      type: "action.http_request",
      parameters: { url: "https://b", method: "GET" },
      position: { x: 9, y: 9 },
    },
  ],
  connections: [
    { fromNode: "start", toNode: "check" },
    { fromNode: "check", fromPort: "true", toNode: "send" },
  ],
};

describe("reviewing a proposed change", () => {
  const all = proposals(before, after);

  it("shows a node once, however much of it changes, and not where it stands", () => {
    expect(all.map((each) => `${each.kind} ${each.what} ${each.subject}`)).toEqual([
      "add node check",
      "change node send",
      "add connection start.main->check.main",
      "add connection check.true->send.main",
      "remove connection start.main->send.main",
    ]);
    expect(all[1]?.changes).toEqual([{ path: "parameters.url", before: "https://a", after: "https://b" }]);
  });

  it("gives the proposed workflow when all is accepted", () => {
    const made = apply(before, accepted(all, new Set(all.map((each) => each.key))));
    expect(proposals(made, after)).toEqual([]);
  });

  it("leaves out what needs something rejected", () => {
    const keys = new Set(all.map((each) => each.key));
    keys.delete("node:check");
    const made = apply(before, accepted(all, keys));
    expect(made.nodes?.map((node) => node.id)).toEqual(["start", "send"]);
    expect(made.connections).toEqual([]);
    expect(made.nodes?.[1]?.parameters).toEqual({ url: "https://b", method: "GET" });
  });

  it("gathers a server's diff by node, even where ids have dots", () => {
    const groups = gathered(
      [
        { kind: "EDIT_KIND_CHANGE", path: "nodes.a.b.parameters.url" },
        { kind: "EDIT_KIND_ADD", path: "nodes.a.b.notes" },
        { kind: "EDIT_KIND_CHANGE", path: "settings.timezone" },
      ],
      ["a", "a.b"],
    );
    expect(groups.map((group) => [group.subject, group.edits.length])).toEqual([
      ["a.b", 2],
      ["settings", 1],
    ]);
  });

  it("finds leaves that differ", () => {
    expect(differences("", { a: { b: 1, c: [1] } }, { a: { b: 2, c: [1] } })).toEqual([
      { path: "a.b", before: 1, after: 2 },
    ]);
  });
});

describe("what the server spells out", () => {
  it("is dropped where it says nothing", () => {
    const doc = tidied({
      name: "",
      nodes: [
        {
          id: "a",
          type: "flow.no_op",
          disabled: false,
          onError: "ON_ERROR_UNSPECIFIED",
          notes: "",
          parameters: { a: 0 },
        },
      ],
      connections: [{ fromNode: "a", fromPort: "", toNode: "b", toPort: "" }],
      settings: { timezone: "", priority: 0 },
    });
    expect(doc.nodes).toEqual([{ id: "a", type: "flow.no_op", parameters: { a: 0 } }]);
    expect(doc.connections).toEqual([{ fromNode: "a", toNode: "b" }]);
    expect(doc.settings).toBeUndefined();
  });
});

describe("runs and items", () => {
  it("sums a node's runs up, the worst first", () => {
    const states = statesByNode([
      {
        nodeId: "a",
        address: "a[0]",
        status: "NODE_RUN_STATUS_SUCCEEDED",
        outputs: { main: { items: [{}, {}] } },
        startedAt: "2026-01-01T00:00:00Z",
        endedAt: "2026-01-01T00:00:01Z",
      },
      { nodeId: "a", address: "a[1]", status: "NODE_RUN_STATUS_FAILED", failure: { message: "no" } },
    ]);
    expect(states.a).toEqual({
      look: "failed",
      runs: 2,
      counts: { main: 2 },
      milliseconds: 1000,
      message: "no",
    });
  });

  it("makes columns of fields, what identifies first", () => {
    expect(columns([{ json: { zeta: 1, id: 2 } }, { json: { alpha: 1, name: "x" } }])).toEqual([
      "id",
      "name",
      "alpha",
      "zeta",
    ]);
  });

  it("tells the shape of data from the data", () => {
    const shape = shapeOf([{ a: 1, b: [{ c: "x" }] }, { a: "1" }]);
    expect(shape.fields.map((field) => [field.name, field.type, field.optional])).toEqual([
      ["a", "number | string", false],
      ["b", "list", true],
    ]);
    expect(shape.fields[1]?.fields[0]?.fields[0]).toMatchObject({ name: "c", type: "string", example: "x" });
  });
});
