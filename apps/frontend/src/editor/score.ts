/** How well a name fits what is searched for. Pure. */

/** The beginning of a name counts most, then any word of it, then what it does. */
export function score(value: string, search: string, keywords: string[] = []): number {
  const wanted = search.trim().toLowerCase();
  if (!wanted) return 1;
  const name = value.toLowerCase();
  if (name.startsWith(wanted)) return 1;
  if (name.split(/[\s._]+/).some((word) => word.startsWith(wanted))) return 0.8;
  if (name.includes(wanted)) return 0.6;
  if (keywords.join(" ").toLowerCase().includes(wanted)) return 0.3;
  const letters = wanted.replace(/\s/g, "");
  let at = 0;
  for (const char of name) if (char === letters[at]) at++;
  return at === letters.length && letters.length > 2 ? 0.1 : 0;
}
