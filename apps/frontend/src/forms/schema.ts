/** What a form makes of a JSON Schema: each part of it becomes one of a few kinds of field. Pure. */

export type Schema = { [key: string]: unknown };

export interface Field {
  name: string;
  label: string;
  help: string;
  required: boolean;
  schema: Schema;
}

export type Kind =
  | { kind: "text"; multiline: boolean; format: string; secret: boolean; literal: boolean }
  | { kind: "number"; integer: boolean; min: number | undefined; max: number | undefined }
  | { kind: "flag" }
  | { kind: "choice"; options: (string | number | boolean)[]; labels: Labels }
  | { kind: "record"; fields: Field[] }
  | { kind: "map"; value: Schema }
  | { kind: "list"; item: Schema }
  | { kind: "variants"; variants: Variant[]; discriminator: string }
  | { kind: "any" };

/** What to call values; those that are not named are called by what they are. */
export type Labels = Record<string, string>;

export interface Variant {
  label: string;
  help: string;
  schema: Schema;
}

const LONG =
  /\b(body|text|code|query|sql|prompt|instructions?|message|template|description|html|content|system)\b/i;

/** Follows a $ref, keeping what stands beside it. */
export function resolved(schema: Schema, root: Schema): Schema {
  let at = schema;
  for (let depth = 0; typeof at.$ref === "string" && depth < 20; depth++) {
    const path = at.$ref.replace(/^#\//, "").split("/");
    let found: unknown = root;
    for (const part of path) found = (found as Schema | undefined)?.[part];
    const { $ref: _, ...beside } = at;
    at = { ...((found as Schema | undefined) ?? {}), ...beside };
  }
  return at;
}

function options(schema: Schema): Schema[] | undefined {
  const found = schema.anyOf ?? schema.oneOf;
  return Array.isArray(found) ? (found as Schema[]) : undefined;
}

/** Whether null is a value of it. */
export function isNullable(schema: Schema, root: Schema): boolean {
  const at = resolved(schema, root);
  if (at.type === "null") return true;
  return options(at)?.some((each) => isNullable(each, root)) ?? false;
}

/** The schema without its null. */
function solid(schema: Schema, root: Schema): Schema {
  const at = resolved(schema, root);
  const all = options(at);
  if (!all) return at;
  const rest = all.filter((each) => resolved(each, root).type !== "null");
  if (rest.length !== 1 || !rest[0])
    return rest.length === all.length ? at : { ...at, anyOf: rest, oneOf: undefined };
  const { anyOf: _, oneOf: __, ...beside } = at;
  return solid({ ...rest[0], ...beside }, root);
}

/** `name` is what the field is called in the data: unlike its title it is the same in every language. */
export function kindOf(given: Schema, root: Schema, name = ""): Kind {
  const schema = solid(given, root);
  if (Array.isArray(schema.enum))
    return { kind: "choice", options: schema.enum as string[], labels: labelsOf(schema) };
  if (schema.const !== undefined)
    return { kind: "choice", options: [schema.const as string], labels: labelsOf(schema) };
  const isSecret = schema.writeOnly === true || schema.format === "password";
  const all = options(schema);
  if (all) return variantsOf(all, schema, root);
  switch (schema.type) {
    case "string":
      return {
        kind: "text",
        multiline: isSecret
          ? /\bPEM\b/.test(String(schema.description ?? ""))
          : schema.literal === true ||
            schema.format === "textarea" ||
            schema.format === "multiline" ||
            (typeof schema.maxLength === "number" && schema.maxLength > 4096) ||
            LONG.test(`${name.replaceAll("_", " ")} ${schema.title ?? ""}`),
        format: String(schema.format ?? ""),
        secret: isSecret,
        literal: schema.literal === true,
      };
    case "integer":
    case "number":
      return {
        kind: "number",
        integer: schema.type === "integer",
        min: (schema.minimum ?? schema.exclusiveMinimum) as number | undefined,
        max: (schema.maximum ?? schema.exclusiveMaximum) as number | undefined,
      };
    case "boolean":
      return { kind: "flag" };
    case "array":
      return { kind: "list", item: (schema.items as Schema | undefined) ?? {} };
    case "object":
      if (schema.properties) return { kind: "record", fields: fieldsOf(schema, root) };
      return {
        kind: "map",
        value: typeof schema.additionalProperties === "object" ? (schema.additionalProperties as Schema) : {},
      };
    default:
      return { kind: "any" };
  }
}

function variantsOf(all: Schema[], schema: Schema, root: Schema): Kind {
  const parts = all.map((each) => solid(each, root));
  const records = parts.every((part) => part.type === "object" && part.properties);
  if (records && parts.length > 1) {
    const said = (schema.discriminator as Schema | undefined)?.propertyName as string | undefined;
    const discriminator = said ?? commonConst(parts);
    if (discriminator)
      return {
        kind: "variants",
        discriminator,
        variants: parts.map((part) => ({
          label: variantLabel(part, discriminator),
          help: String(part.description ?? ""),
          schema: part,
        })),
      };
  }
  // A choice between kinds of plain values: text says them all, as `30` and `30s` both can be written.
  const types = new Set(parts.map((part) => part.type));
  if (types.size === 1) return kindOf(parts[0] ?? {}, root);
  if ([...types].every((type) => type === "integer" || type === "number"))
    return { kind: "number", integer: false, min: undefined, max: undefined };
  return { kind: "any" };
}

function labelsOf(schema: Schema): Labels {
  return (schema.labels as Labels | undefined) ?? {};
}

function variantLabel(part: Schema, discriminator: string): string {
  const value = String(constOf(part, discriminator) ?? part.title ?? "");
  const property = (part.properties as Record<string, Schema> | undefined)?.[discriminator];
  return labelsOf(property ?? {})[value] ?? labelOf(value);
}

function commonConst(parts: Schema[]): string | undefined {
  const first = Object.keys((parts[0]?.properties as Schema) ?? {});
  return first.find((name) => parts.every((part) => constOf(part, name) !== undefined));
}

export function constOf(part: Schema, name: string): unknown {
  const property = (part.properties as Record<string, Schema> | undefined)?.[name];
  if (property?.const !== undefined) return property.const;
  const only = property?.enum;
  return Array.isArray(only) && only.length === 1 ? only[0] : undefined;
}

/** The fields of an object, in the order that the schema wants. */
export function fieldsOf(schema: Schema, root: Schema): Field[] {
  const at = solid(schema, root);
  const properties = (at.properties ?? {}) as Record<string, Schema>;
  const required = new Set((at.required as string[] | undefined) ?? []);
  const order = (at.propertyOrder as string[] | undefined) ?? Object.keys(properties);
  return order.flatMap((name) => {
    const property = properties[name];
    if (!property) return [];
    const whole = resolved(property, root);
    return [
      {
        name,
        label: labelOf(name, property),
        help: String(property.description ?? whole.description ?? ""),
        required: required.has(name),
        schema: property,
      },
    ];
  });
}

const SPELLED: Record<string, string> = { mib: "MiB", qos: "QoS" };

/** `timeout_seconds` becomes "Timeout seconds". */
export function labelOf(name: string, schema: Schema = {}): string {
  if (/^[A-Z][A-Z0-9]*$/.test(name)) return name;
  const title = schema.title;
  // A title that somebody wrote stays as it is; one that was made from the name, or names a class, says no more than it.
  const made = name.replace(/_/g, " ").toLowerCase();
  if (typeof title === "string" && title && title.toLowerCase() !== made && !/^[A-Z]\w+[A-Z]\w+$/.test(title))
    return title;
  // Operations are called `thing.what`.
  const words = /^[a-z ]+(\.[a-z ]+)+$/.test(made) ? made.replaceAll(".", ": ") : made;
  const label = words.charAt(0).toUpperCase() + words.slice(1);
  return label.replace(
    /\b(url|id|json|http|api|sql|html|xml|csv|tls|ssl|mib|ip|uri|ai|qos)\b/gi,
    (word) => SPELLED[word.toLowerCase()] ?? word.toUpperCase(),
  );
}

/** What a field holds before anyone has written into it. */
export function defaultOf(given: Schema, root: Schema): unknown {
  const schema = resolved(given, root);
  if (schema.default !== undefined) return schema.default;
  return undefined;
}

/** The least that a new element or variant holds. */
export function blank(given: Schema, root: Schema): unknown {
  const found = kindOf(given, root);
  const schema = solid(given, root);
  if (schema.default !== undefined && schema.default !== null) return structuredClone(schema.default);
  switch (found.kind) {
    case "text":
      return "";
    case "number":
      return found.min !== undefined && found.min > 0 ? found.min : 0;
    case "flag":
      return false;
    case "choice":
      return found.options[0];
    case "list":
      return [];
    case "map":
      return {};
    case "record":
      return Object.fromEntries(
        found.fields
          .filter((field) => field.required)
          .map((field) => [field.name, blank(field.schema, root)]),
      );
    case "variants":
      return blank(found.variants[0]?.schema ?? {}, root);
    case "any":
      return "";
  }
}

/** Which variant a value is of; the first when it is of none. */
export function variantIndex(found: Extract<Kind, { kind: "variants" }>, value: unknown): number {
  const mark = (value as Record<string, unknown> | undefined)?.[found.discriminator];
  const index = found.variants.findIndex((each) => constOf(each.schema, found.discriminator) === mark);
  return Math.max(index, 0);
}

export function isExpression(value: unknown): value is string {
  return typeof value === "string" && value.includes("{{");
}

/** What a value of any kind is when a person writes it: JSON where it is JSON, text otherwise. */
export function readAny(text: string): unknown {
  const trimmed = text.trim();
  if (trimmed === "") return "";
  if (isExpression(text)) return text;
  if (/^(-?\d|\{|\[|true$|false$|null$|")/.test(trimmed))
    try {
      return JSON.parse(trimmed);
    } catch {
      return text;
    }
  return text;
}

export function writeAny(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value !== "string") return JSON.stringify(value, null, 2);
  // Text that would be read back as another kind of value is shown in quotes.
  return readAny(value) === value ? value : JSON.stringify(value);
}

/** What a record's fields hold. */
export type Values = Record<string, unknown>;

export function asRecord(value: unknown): Values {
  return value && typeof value === "object" && !Array.isArray(value) ? (value as Values) : {};
}
