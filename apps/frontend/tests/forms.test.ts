import { describe, expect, it } from "vitest";
import {
  blank,
  fieldsOf,
  kindOf,
  labelOf,
  readAny,
  type Schema,
  variantIndex,
  writeAny,
} from "~/forms/schema";

/** As Pydantic writes it for a node, in short. */
const schema: Schema = {
  type: "object",
  required: ["url", "body"],
  propertyOrder: ["method", "url", "body", "headers", "timeout_seconds", "tags", "proxy", "code"],
  properties: {
    url: { type: "string", title: "Url", description: "Absolute address." },
    method: { enum: ["GET", "POST"], default: "GET", type: "string" },
    headers: { type: "object", additionalProperties: { anyOf: [{ type: "string" }, { type: "null" }] } },
    body: {
      discriminator: { propertyName: "kind", mapping: {} },
      oneOf: [{ $ref: "#/$defs/None" }, { $ref: "#/$defs/Json" }],
    },
    timeout_seconds: { anyOf: [{ type: "number", minimum: 0 }, { type: "null" }], default: 30 },
    tags: { type: "array", items: { type: "string" } },
    proxy: { anyOf: [{ type: "string" }, { type: "null" }], default: null },
    code: { type: "string", literal: true },
  },
  $defs: {
    None: {
      type: "object",
      properties: { kind: { const: "none" } },
      required: ["kind"],
      description: "Nothing.",
    },
    Json: {
      type: "object",
      properties: { kind: { const: "json" }, value: {} },
      required: ["kind", "value"],
    },
  },
};
const kind = (name: string) => kindOf((schema.properties as Record<string, Schema>)[name] ?? {}, schema);

describe("a form from a schema", () => {
  it("has its fields in the order that the schema wants, with labels for people", () => {
    expect(fieldsOf(schema, schema).map((field) => field.label)).toEqual([
      "Method",
      "URL",
      "Body",
      "Headers",
      "Timeout seconds",
      "Tags",
      "Proxy",
      "Code",
    ]);
    expect(
      fieldsOf(schema, schema)
        .filter((field) => field.required)
        .map((field) => field.name),
    ).toEqual(["url", "body"]);
  });

  it("finds what each field is, behind null and references", () => {
    expect(kind("method")).toMatchObject({ kind: "choice", options: ["GET", "POST"] });
    expect(kind("url")).toMatchObject({ kind: "text", multiline: false });
    expect(kind("timeout_seconds")).toMatchObject({ kind: "number", min: 0 });
    expect(kind("proxy")).toMatchObject({ kind: "text" });
    expect(kind("headers")).toMatchObject({ kind: "map" });
    expect(kind("tags")).toMatchObject({ kind: "list", item: { type: "string" } });
    expect(kind("code")).toMatchObject({ kind: "text", literal: true, multiline: true });
  });

  it("offers the variants that a field tells apart", () => {
    const body = kind("body");
    if (body.kind !== "variants") throw new Error(body.kind);
    expect(body.variants.map((variant) => variant.label)).toEqual(["None", "JSON"]);
    expect(variantIndex(body, { kind: "json", value: 1 })).toBe(1);
    expect(variantIndex(body, undefined)).toBe(0);
    expect(blank(body.variants[1]?.schema ?? {}, schema)).toEqual({ kind: "json", value: "" });
  });

  it("reads what a person writes into a field of any kind, and writes it back the same", () => {
    for (const [text, value] of [
      ["12", 12],
      ['{"a": 1}', { a: 1 }],
      ["true", true],
      ["plain words", "plain words"],
      ["{{ json.total }}", "{{ json.total }}"],
      ['"12"', "12"],
      ["[1, 2", "[1, 2"],
    ] as const) {
      expect(readAny(text)).toEqual(value);
      expect(readAny(writeAny(value))).toEqual(value);
    }
  });

  it("names fields as people do", () => {
    expect(labelOf("verify_tls")).toBe("Verify TLS");
    expect(labelOf("memory_mib", { title: "Memory Mib" })).toBe("Memory MiB");
    expect(labelOf("message.send")).toBe("Message: send");
    expect(labelOf("vat", { title: "VAT number" })).toBe("VAT number");
  });

  it("calls values what the schema calls them, and knows a long text by its name in any language", () => {
    const choice = kindOf({ enum: ["sum", "max"], labels: { sum: "求和" } }, {});
    expect(choice).toMatchObject({ kind: "choice", labels: { sum: "求和" } });
    expect(kindOf({ type: "string", title: "消息" }, {}, "message")).toMatchObject({ multiline: true });
  });
});
