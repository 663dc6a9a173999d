/** What can follow in an expression, from data that really came through the workflow. Pure. */

export interface Reach {
  /** The current item's data, from the newest run or the pinned output before this node. */
  json: unknown;
  /** Data of the nodes before this one, by name; undefined when nothing has run yet. */
  nodes: { name: string; json: unknown; count: number }[];
  vars: Record<string, unknown>;
}

export interface Option {
  label: string;
  /** What stands in the text once it is chosen, where that is not the label. */
  insert?: string;
  detail?: string;
  info?: string;
  kind: "root" | "field" | "node" | "function";
}

export interface Completion {
  /** Where the text that the option replaces begins. */
  from: number;
  options: Option[];
}

/** The expression that the cursor is in: its start in the text, and its text up to the cursor. */
export function expressionAt(text: string, cursor: number): { start: number; before: string } | undefined {
  const open = text.lastIndexOf("{{", cursor);
  if (open < 0 || open + 2 > cursor) return undefined;
  const close = text.lastIndexOf("}}", cursor - 1);
  if (close > open) return undefined;
  return { start: open + 2, before: text.slice(open + 2, cursor) };
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const CHAIN =
  /((?:\$?[A-Za-z_][A-Za-z0-9_]*|\$\("[^"]*"\)|\$\('[^']*'\))(?:\.\??[A-Za-z_][A-Za-z0-9_]*|\[[^\]]*\]|\(\))*)\.(\??[A-Za-z0-9_]*)$/;
const NODE_OPEN = /(?:\$?node\[|\$\()\s*(["']?)([^"'\])]*)$/;
const WORD = /\$?[A-Za-z_][A-Za-z0-9_]*$/;

export function complete(text: string, cursor: number, reach: Reach): Completion | undefined {
  const at = expressionAt(text, cursor);
  if (!at) return undefined;
  const { before } = at;
  if (insideText(before) && !NODE_OPEN.test(before)) return undefined;
  const naming = NODE_OPEN.exec(before);
  if (naming) {
    const quote = naming[1] || '"';
    const from = cursor - (naming[2]?.length ?? 0) - (naming[1]?.length ?? 0);
    return {
      from,
      options: reach.nodes.map((node) => ({
        label: node.name,
        insert: `${quote}${node.name}${quote}`,
        detail: node.json === undefined ? "" : `${node.count} items`,
        kind: "node",
      })),
    };
  }
  const chain = CHAIN.exec(before);
  if (chain) {
    const word = chain[2] ?? "";
    const value = follow(chain[1] ?? "", reach);
    if (value === undefined) return { from: cursor - word.length, options: methods(undefined) };
    return { from: cursor - word.length, options: [...fields(value), ...methods(value)] };
  }
  const word = WORD.exec(before)?.[0] ?? "";
  return { from: cursor - word.length, options: roots(reach) };
}

/** Whether the cursor is inside a quoted text. */
function insideText(before: string): boolean {
  let quote = "";
  for (let index = 0; index < before.length; index++) {
    const char = before[index] ?? "";
    if (quote) {
      if (char === "\\") index++;
      else if (char === quote) quote = "";
    } else if (char === '"' || char === "'") quote = char;
  }
  return quote !== "";
}

function roots(reach: Reach): Option[] {
  const made: Option[] = [
    { label: "json", detail: preview(reach.json), info: "The current item's data.", kind: "root" },
  ];
  for (const node of reach.nodes)
    made.push({
      label: `node["${node.name}"].json`,
      detail: preview(node.json),
      info: `What ${node.name} delivered.`,
      kind: "node",
    });
  made.push(
    { label: "item", info: "The current item: item.json, item.binary.", kind: "root" },
    { label: "items", info: "All input items.", kind: "root" },
    { label: "vars", detail: preview(reach.vars), info: "The workflow's constants.", kind: "root" },
    { label: "execution", info: "execution.id, execution.started_at", kind: "root" },
    { label: "workflow", info: "workflow.id, workflow.timezone", kind: "root" },
    { label: "run", info: "run.index, run.path, run.turn, run.attempt, run.item_index", kind: "root" },
    { label: "now", info: "The time when the attempt began.", kind: "root" },
  );
  for (const each of FUNCTIONS)
    made.push({
      label: each.name,
      insert: `${each.name}(`,
      detail: each.signature,
      info: each.does,
      kind: "function",
    });
  return made;
}

function fields(value: unknown): Option[] {
  if (!value || typeof value !== "object" || Array.isArray(value)) return [];
  return Object.entries(value)
    .filter(([name]) => NAME.test(name))
    .map(([name, each]) => ({ label: name, detail: preview(each), kind: "field" }));
}

/** The value that a path such as `node["Fetch"].json.items[0]` leads to in the data that is there. */
export function follow(path: string, reach: Reach): unknown {
  const parts = path.match(/\$?[A-Za-z_][A-Za-z0-9_]*|\[[^\]]*\]|\$\((?:"[^"]*"|'[^']*')\)|\(\)/g) ?? [];
  let value: unknown;
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index] ?? "";
    if (index === 0) {
      const name = part.replace(/^\$/, "");
      if (name === "json") value = reach.json;
      else if (name === "item") value = { json: reach.json, binary: {} };
      else if (name === "items") value = [{ json: reach.json }];
      else if (name === "vars") value = reach.vars;
      else if (name === "execution") value = { id: "", started_at: "" };
      else if (name === "workflow") value = { id: "", timezone: "" };
      else if (name === "run") value = { index: 0, path: [], turn: 0, attempt: 1, item_index: 0 };
      else if (name === "node" || part.startsWith("$(")) {
        const bracket = part.startsWith("$(") ? part.slice(1) : (parts[++index] ?? "");
        const wanted = bracket.slice(1, -1).replace(/^["']|["']$/g, "");
        const node = reach.nodes.find((each) => each.name === wanted);
        value = node && { json: node.json, items: [{ json: node.json }], item: { json: node.json } };
      } else return undefined;
    } else if (part.startsWith("[")) {
      const key = part.slice(1, -1).replace(/^["']|["']$/g, "");
      value = (value as Record<string, unknown> | undefined | null)?.[key];
    } else if (part === "()") return undefined;
    else if (Array.isArray(value) && (part === "first" || part === "last")) {
      value = value[part === "first" ? 0 : value.length - 1];
      if (parts[index + 1] === "()") index++;
    } else value = (value as Record<string, unknown> | undefined | null)?.[part];
    if (value === undefined || value === null) return undefined;
  }
  return value;
}

export function preview(value: unknown): string {
  if (value === undefined) return "";
  const text = JSON.stringify(value) ?? "";
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}

interface Known {
  name: string;
  signature: string;
  does: string;
  on?: "text" | "list" | "map" | "time";
}

function methods(value: unknown): Option[] {
  const on = Array.isArray(value)
    ? "list"
    : typeof value === "string"
      ? "text"
      : value && typeof value === "object"
        ? "map"
        : undefined;
  if (typeof value === "number" || typeof value === "boolean") return [];
  return METHODS.filter((each) => !on || each.on === on).map((each) => ({
    label: each.name,
    insert: each.signature === "()" ? `${each.name}()` : `${each.name}(`,
    detail: each.signature,
    info: each.does,
    kind: "function",
  }));
}

const METHODS: Known[] = [
  { name: "upper", signature: "()", does: "In upper case.", on: "text" },
  { name: "lower", signature: "()", does: "In lower case.", on: "text" },
  { name: "trim", signature: "()", does: "Without white space at both ends.", on: "text" },
  { name: "capitalize", signature: "()", does: "The first letter large, the others small.", on: "text" },
  { name: "contains", signature: "(text)", does: "Whether the part is in it.", on: "text" },
  { name: "startsWith", signature: "(text)", does: "Whether it begins so.", on: "text" },
  { name: "endsWith", signature: "(text)", does: "Whether it ends so.", on: "text" },
  { name: "matches", signature: "(regex)", does: "Whether a regular expression is found in it.", on: "text" },
  {
    name: "extract",
    signature: "(regex)",
    does: "All places that a regular expression matches.",
    on: "text",
  },
  { name: "replace", signature: "(old, new)", does: "With every old replaced.", on: "text" },
  { name: "split", signature: "(separator)", does: "The parts between separators.", on: "text" },
  { name: "substring", signature: "(from, to)", does: "From a character up to another.", on: "text" },
  { name: "size", signature: "()", does: "How many characters.", on: "text" },
  { name: "fromJson", signature: "()", does: "The value that is written as JSON.", on: "text" },
  { name: "urlEncode", signature: "()", does: "As one part of a URL.", on: "text" },
  { name: "base64Encode", signature: "()", does: "In base64.", on: "text" },
  { name: "first", signature: "()", does: "The first element.", on: "list" },
  { name: "last", signature: "()", does: "The last element.", on: "list" },
  { name: "size", signature: "()", does: "How many elements.", on: "list" },
  { name: "map", signature: "(x, …)", does: "Each element turned into another.", on: "list" },
  { name: "filter", signature: "(x, …)", does: "The elements for which it holds.", on: "list" },
  { name: "all", signature: "(x, …)", does: "Whether it holds for all.", on: "list" },
  { name: "exists", signature: "(x, …)", does: "Whether it holds for one.", on: "list" },
  { name: "pluck", signature: "(key)", does: "One key of every map.", on: "list" },
  { name: "sum", signature: "()", does: "All numbers added up.", on: "list" },
  { name: "avg", signature: "()", does: "The mean.", on: "list" },
  { name: "min", signature: "()", does: "The smallest.", on: "list" },
  { name: "max", signature: "()", does: "The largest.", on: "list" },
  { name: "join", signature: "(separator)", does: "One text of all elements.", on: "list" },
  { name: "sort", signature: "()", does: "In ascending order.", on: "list" },
  { name: "sortBy", signature: "(key)", does: "Maps in the order of one key.", on: "list" },
  { name: "distinct", signature: "()", does: "Each value once.", on: "list" },
  { name: "flatten", signature: "()", does: "Lists inside it opened.", on: "list" },
  { name: "slice", signature: "(from, to)", does: "A part of the list.", on: "list" },
  { name: "keys", signature: "()", does: "Its keys, sorted.", on: "map" },
  { name: "values", signature: "()", does: "Its values.", on: "map" },
  { name: "merge", signature: "(map)", does: "Both maps as one.", on: "map" },
  { name: "format", signature: "(pattern, zone)", does: "The time written out: %Y-%m-%d %H:%M.", on: "time" },
  { name: "inZone", signature: "(zone)", does: "ISO 8601 with the clock of a time zone.", on: "time" },
  { name: "addMonths", signature: "(count)", does: "So many months later.", on: "time" },
];

const FUNCTIONS: Known[] = [
  {
    name: "default",
    signature: "(value, otherwise)",
    does: "The value, or something else where it is absent.",
  },
  { name: "has", signature: "(json.field)", does: "Whether the field is there." },
  { name: "size", signature: "(value)", does: "Characters, elements or keys." },
  { name: "string", signature: "(value)", does: "As text." },
  { name: "int", signature: "(value)", does: "A whole number." },
  { name: "double", signature: "(value)", does: "A number with decimals." },
  { name: "round", signature: "(number, decimals)", does: "The nearest number." },
  { name: "toJson", signature: "(value)", does: "As compact JSON." },
  { name: "fromJson", signature: "(text)", does: "The value that is written as JSON." },
  { name: "timestamp", signature: "(text)", does: "A time from RFC 3339 text." },
  { name: "parseTime", signature: "(text, zone)", does: "A time from a date, or a date and time." },
  { name: "duration", signature: "('1h30m')", does: "A span of time." },
  { name: "range", signature: "(count)", does: "Whole numbers from 0." },
  { name: "math.greatest", signature: "(…)", does: "The largest of the numbers." },
  { name: "math.least", signature: "(…)", does: "The smallest of the numbers." },
  { name: "math.abs", signature: "(number)", does: "Without its sign." },
];
