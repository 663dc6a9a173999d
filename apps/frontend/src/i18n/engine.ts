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
  /** The longest part that is in all that matches: looked for first, which is quick. */
  part: string;
  said: string;
  /** How much of it is its own. */
  weight: number;
}

const PLACE = /\{(\d)\}/g;
/** With less of its own, a text would be found in anything. */
const LEAST = 4;
/** What is longer is somebody else's. */
const LONGEST = 2000;
const JOINT = "; ";
/** So many texts are joined at most. */
const MOST = 4;
/** A field, and the node that it belongs to, or a request: what stands before a colon and stays as it is. */
const WHERE = /^(?:(?:node '[^']*' ?)?[\w.[\]"'-]*|[A-Z]+ https?:\S+)$/;

interface Found {
  said: string;
  /** How much of what was said was known. */
  weight: number;
}

export function saying(table: Record<string, string>): Say {
  const patterns: Pattern[] = Object.entries(table)
    .filter(([text]) => text.search(PLACE) >= 0)
    .map(([text, said]) => ({ matches: matcher(text), part: longest(text), said, weight: weight(text) }))
    .filter((pattern) => pattern.weight >= LEAST);
  const known = new Map<string, Found | undefined>();

  /** `joined`: a value may hold what joins two texts, as when a peer's own words are quoted. */
  function whole(text: string, joined: boolean): Found | undefined {
    if (table[text]) return { said: table[text], weight: weight(text) };
    return patterns.reduce<Found | undefined>((before, pattern) => {
      const values = text.includes(pattern.part) ? pattern.matches.exec(text)?.groups : undefined;
      if (!values || (!joined && Object.values(values).some((value) => value.includes(JOINT)))) return before;
      const inner = Object.values(values).reduce((sum, value) => sum + (find(value)?.weight ?? 0), 0);
      const made = {
        said: pattern.said.replace(PLACE, (_, place: string) => say(values[`v${place}`] ?? "")),
        // A text that says it all is meant rather than one within another.
        weight: pattern.weight + 0.9 * inner,
      };
      return better(before, made);
    }, undefined);
  }

  /** The engine joins what it says: where, what, and what to do. */
  function parts(text: string): Found | undefined {
    let found: Found | undefined;
    let turn = 0;
    for (let at = text.indexOf(JOINT); at >= 0 && turn < MOST; at = text.indexOf(JOINT, at + 1), turn++) {
      const head = text.slice(0, at);
      // Between quotation marks it is somebody else's.
      const first = head.split('"').length % 2 === 1 ? find(head) : undefined;
      const rest = text.slice(at + JOINT.length);
      if (first)
        found = better(found, {
          said: `${first.said}；${say(rest)}`,
          weight: first.weight + (find(rest)?.weight ?? 0),
        });
    }
    const at = text.indexOf(": ");
    const rest = at >= 0 && WHERE.test(text.slice(0, at)) ? find(text.slice(at + 2)) : undefined;
    return rest
      ? better(found, {
          said: `${text.slice(0, at).replace(/^node/, table.node ?? "node")}：${rest.said}`,
          weight: rest.weight,
        })
      : found;
  }

  function find(text: string): Found | undefined {
    if (text.length < LEAST || text.length > LONGEST) return undefined;
    if (!known.has(text)) {
      if (known.size > 2000) known.clear();
      known.set(text, better(whole(text, false), parts(text)) ?? whole(text, true));
    }
    return known.get(text);
  }

  const say: Say = (text) => find(text)?.said ?? text;
  return say;
}

/** Of two ways to understand a text, the one that knows more of it; of equals, the first. */
function better(one: Found | undefined, other: Found | undefined): Found | undefined {
  return one && (!other || one.weight >= other.weight) ? one : other;
}

function longest(text: string): string {
  return text.split(/\{\d\}/).reduce((one, other) => (other.length > one.length ? other : one), "");
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
