/** Items as a table and as a schema. Pure. */
import type { ItemJson } from "~/api/contract";

const FIRST = ["id", "name", "title", "key", "email", "status"];

/** The columns that items have between them: what identifies them first, the rest by name. */
export function columns(items: ItemJson[], most = 40): string[] {
  const seen = new Set<string>();
  for (const item of items.slice(0, 200)) for (const key of Object.keys(item.json ?? {})) seen.add(key);
  const rank = (name: string) => {
    const at = FIRST.indexOf(name);
    return at < 0 ? FIRST.length : at;
  };
  return [...seen].sort((a, b) => rank(a) - rank(b) || a.localeCompare(b)).slice(0, most);
}

export interface Shape {
  name: string;
  type: string;
  /** Not in every item. */
  optional: boolean;
  example: string;
  fields: Shape[];
}

/** What the data looks like, told from the data. */
export function shapeOf(values: unknown[], name = "", optional = false): Shape {
  const types = [...new Set(values.map(typeName))].sort();
  const objects = values.filter((value) => typeName(value) === "object") as Record<string, unknown>[];
  const lists = values.filter(Array.isArray) as unknown[][];
  const fields: Shape[] = [];
  if (objects.length > 0) {
    const keys = [...new Set(objects.flatMap((each) => Object.keys(each)))].sort();
    for (const key of keys) {
      const own = objects.filter((each) => key in each).map((each) => each[key]);
      fields.push(shapeOf(own, key, own.length < objects.length));
    }
  }
  const inside = lists.flat();
  if (inside.length > 0) {
    const element = shapeOf(inside, "[ ]");
    fields.push(element);
  }
  const plain = values.find((value) => typeof value !== "object" || value === null);
  return {
    name,
    type: types.join(" | ") || "nothing",
    optional,
    example: plain === undefined ? "" : text(plain),
    fields,
  };
}

function typeName(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "list";
  return typeof value;
}

export function text(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value === "string") return value;
  return JSON.stringify(value);
}
