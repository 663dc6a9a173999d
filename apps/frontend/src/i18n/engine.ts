/**
 * What the engine says, in another language.
 *
 * The engine speaks English: what it says is part of its API, and what an execution failed with is stored for good. So
 * it is translated where it is shown. A table has each text of the engine with {1}, {2} where values stand; what was
 * said is matched against them, and the values, which may be such texts themselves, go into the translation.
 */
export type Say = (text: string) => string;

interface Pattern {
  matches: RegExp;
  said: string;
  /** How much of it is its own: of two that match, the one with more was meant. */
  weight: number;
}

const PLACE = /\{(\d)\}/g;
/** With less of its own, a text would be found in anything. */
const LEAST = 4;
/** What is longer is somebody else's. */
const LONGEST = 2000;
const JOINT = "; ";
/** A field, and the node that it belongs to, or a request: what stands before a colon and stays as it is. */
const WHERE = /^(?:(?:node '[^']*' ?)?[\w.[\]"'-]*|[A-Z]+ https?:\S+)$/;

export function saying(table: Record<string, string>): Say {
  const patterns: Pattern[] = Object.entries(table)
    .filter(([text]) => text.search(PLACE) >= 0)
    .map(([text, said]) => ({ matches: matcher(text), said, weight: weight(text) }))
    .filter((pattern) => pattern.weight >= LEAST)
    .sort((a, b) => b.weight - a.weight);
  const known = new Map<string, string | undefined>();

  /** `joined`: a value may hold what joins two texts, as when a peer's own words are quoted. */
  function whole(text: string, joined: boolean): string | undefined {
    if (table[text]) return table[text];
    for (const { matches, said } of patterns) {
      const values = matches.exec(text)?.groups;
      if (values && (joined || !Object.values(values).some((value) => value.includes(JOINT))))
        return said.replace(PLACE, (_, place: string) => say(values[`v${place}`] ?? ""));
    }
    return undefined;
  }

  /** The engine joins what it says: where, what, and what to do. */
  function parts(text: string): string | undefined {
    for (let at = text.indexOf(JOINT); at >= 0; at = text.indexOf(JOINT, at + 1)) {
      const head = text.slice(0, at);
      // Between quotation marks it is somebody else's.
      const first = head.split('"').length % 2 === 1 && find(head);
      if (first) return `${first}；${say(text.slice(at + JOINT.length))}`;
    }
    const at = text.indexOf(": ");
    if (at < 0 || !WHERE.test(text.slice(0, at))) return undefined;
    const rest = find(text.slice(at + 2));
    return rest && `${text.slice(0, at).replace(/^node/, table.node ?? "node")}：${rest}`;
  }

  function find(text: string): string | undefined {
    if (text.length < LEAST || text.length > LONGEST) return undefined;
    if (!known.has(text)) {
      if (known.size > 2000) known.clear();
      known.set(text, whole(text, false) ?? parts(text) ?? whole(text, true));
    }
    return known.get(text);
  }

  const say: Say = (text) => find(text) ?? text;
  return say;
}

function weight(text: string): number {
  return text.replace(PLACE, "").replace(/\s/g, "").length;
}

function matcher(text: string): RegExp {
  const source = text
    .split(/(\{\d\})/)
    .map((part) =>
      /^\{\d\}$/.test(part) ? `(?<v${part[1]}>.*?)` : part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"),
    )
    .join("");
  return new RegExp(`^${source}$`, "s");
}
