/** Every text that the editor shows, taken from its source. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const SRC = resolve(import.meta.dirname, "../src");
const TEMPLATES = resolve(import.meta.dirname, "../../backend/workflow_engine/examples/templates");

const LITERAL = /"((?:[^"\\\n]|\\.)*)"/g;

function firstArgument(text: string, open: number): string {
  let depth = 0;
  let quote = "";
  for (let at = open; at < text.length; at++) {
    const char = text[at] ?? "";
    if (quote) {
      if (char === "\\") at++;
      else if (char === quote) quote = "";
    } else if (char === '"' || char === "'" || char === "`") quote = char;
    else if ("([{".includes(char)) depth++;
    else if (")]}".includes(char)) {
      depth--;
      if (depth < 0) return text.slice(open, at);
    } else if (char === "," && depth === 0) return text.slice(open, at);
  }
  return "";
}

export function shownTexts(): Set<string> {
  const found = new Set<string>();
  const keep = (raw: string) => {
    const text = JSON.parse(`"${raw}"`) as string;
    if (/[A-Za-z]/.test(text)) found.add(text);
  };
  for (const name of readdirSync(SRC, { recursive: true }) as string[]) {
    if (!/\.tsx?$/.test(name) || name.startsWith("api/gen") || name.startsWith("i18n")) continue;
    const text = readFileSync(join(SRC, name), "utf8");
    for (const call of text.matchAll(/(?<![A-Za-z0-9_.])t\(/g)) {
      const argument = firstArgument(text, call.index + call[0].length);
      // In `t(a ? "x" : "y")` both are texts; in `t(TABLE[key] ?? "z")` the fallback is.
      for (const literal of argument.matchAll(LITERAL))
        if (
          !/^(TASK|ROLE|TRIGGER|PERMISSION)_/.test(literal[1] ?? "") &&
          !/\[$/.test(argument.slice(0, literal.index)) &&
          !/(===|!==|\? )\s*$/.test(argument.slice(0, literal.index).replace(/\? $/, ""))
        )
          keep(literal[1] ?? "");
    }
    // Tables of texts say so: their name is in capitals, and they are shown through t().
    for (const table of text.matchAll(/const [A-Z_]+: [^=]*(?:string|label)[^=]*= [[{][\s\S]*?\n[\]}];/g))
      if (!/WHERE|ICONS|STARTING|FIRST|FILES/.test(table[0].slice(0, 40)))
        for (const literal of table[0].matchAll(
          /(?:label|[A-Za-z_]+|"[a-z]+ [a-z]+"): "((?:[^"\\\n]|\\.)*)"|, "((?:[^"\\\n]|\\.)*)"\]/g,
        )) {
          const value = literal[1] ?? literal[2] ?? "";
          if (/[a-z]/.test(value) && !/^(grey|green|red|amber|blue|accent)$/.test(value)) keep(value);
        }
  }
  for (const name of readdirSync(TEMPLATES)) {
    const template = JSON.parse(readFileSync(join(TEMPLATES, name), "utf8")) as {
      name: string;
      description: string;
      tags: string[];
    };
    for (const text of [template.name, template.description, ...template.tags]) found.add(text);
  }
  return found;
}
