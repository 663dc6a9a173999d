import { describe, expect, it } from "vitest";
import { complete, expressionAt, follow, type Reach } from "~/expression/complete";
import { previewRequest } from "~/expression/preview";

const reach: Reach = {
  json: { total: 12, customer: { name: "Ada", tags: ["a", "b"] }, "odd key": 1, lines: [{ price: 3 }] },
  nodes: [
    { name: "Load orders", json: { id: 7, status: "paid" }, count: 3 },
    { name: "Start", json: undefined, count: 0 },
  ],
  vars: { api: "https://x" },
};

/** Completes where the bar stands. */
function at(marked: string) {
  const cursor = marked.indexOf("|");
  const text = marked.replace("|", "");
  const found = complete(text, cursor, reach);
  return (
    found && {
      before: text.slice(0, found.from),
      labels: found.options.map((option) => option.label),
      options: found.options,
    }
  );
}

describe("completion in expressions", () => {
  it("says nothing outside of braces", () => {
    expect(at("Hello js|")).toBeUndefined();
    expect(at("{{ json.total }} js|")).toBeUndefined();
    expect(expressionAt("{{ a }} {{ b", 12)?.before).toBe(" b");
  });

  it("begins with what there is to read, nodes by their names", () => {
    const found = at("Total: {{ j|");
    expect(found?.before).toBe("Total: {{ ");
    expect(found?.labels).toContain("json");
    expect(found?.labels).toContain('node["Load orders"].json');
    expect(found?.labels).toContain("default");
  });

  it("knows the fields that really came, deep inside", () => {
    expect(at("{{ json.|")?.labels.slice(0, 3)).toEqual(["total", "customer", "lines"]);
    expect(at("{{ json.cus|")?.before).toBe("{{ json.");
    expect(at("{{ json.customer.n|")?.labels).toContain("name");
    expect(at("{{ json.lines[0].|")?.labels).toEqual(["price", "keys", "values", "merge"]);
    expect(at("{{ vars.|")?.labels[0]).toBe("api");
  });

  it("knows other nodes' data, in both spellings", () => {
    expect(at('{{ node["Load orders"].json.|')?.labels).toContain("status");
    expect(at("{{ $('Load orders').item.json.|")?.labels).toContain("status");
    expect(at("{{ node[|")?.options[0]?.insert).toBe('"Load orders"');
    expect(at('{{ node["Lo|')?.before).toBe("{{ node[");
  });

  it("offers the functions that fit the value", () => {
    expect(at("{{ json.customer.name.|")?.labels).toContain("upper");
    expect(at("{{ json.customer.name.|")?.labels).not.toContain("pluck");
    expect(at("{{ json.customer.tags.|")?.labels).toContain("join");
    expect(at("{{ json.total.|")?.labels).toEqual([]);
  });

  it("keeps silent inside a quoted text", () => {
    expect(at('{{ json.total + "js|')).toBeUndefined();
  });

  it("follows paths as the engine does", () => {
    expect(follow("json.customer.tags[1]", reach)).toBe("b");
    expect(follow('json["odd key"]', reach)).toBe(1);
    expect(follow("json.customer.tags.first()", reach)).toBe("a");
    expect(follow("json.missing.deeper", reach)).toBeUndefined();
    expect(follow("nonsense.a", reach)).toBeUndefined();
  });
});

describe("the preview of an expression", () => {
  it("asks for a Set node after stand-ins for the nodes that it names", () => {
    const request = previewRequest('{{ node["Load orders"].json.id }}', { vars: { api: "x" } }, reach);
    expect(request.workflow?.nodes?.map((node) => node.type)).toEqual([
      "trigger.manual",
      "flow.no_op",
      "flow.set",
    ]);
    expect(request.workflow?.nodes?.[1]?.name).toBe("Load orders");
    expect(request.nodeOutputs?.["Load orders"]?.items?.[0]?.json).toEqual({ id: 7, status: "paid" });
    expect(request.input?.[0]?.json).toEqual(reach.json);
  });
});
