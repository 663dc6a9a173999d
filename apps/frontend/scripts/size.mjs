// Fails when a page loads more compressed JavaScript at first than it may.
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

const MOST = 400 * 1024;
const folder = resolve(import.meta.dirname, "../../backend/workflow_engine/workflow_engine/api/static");
const manifest = JSON.parse(readFileSync(join(folder, ".vite/manifest.json"), "utf8"));

/** A chunk and all that it imports at once. */
function loaded(name, seen = new Set()) {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const other of manifest[name].imports ?? []) loaded(other, seen);
  return seen;
}

let failed = false;
for (const [page, chunks] of Object.entries({
  "the list of workflows": ["index.html"],
  "the editor": [
    "index.html",
    "src/pages/EditorPage.tsx",
    "src/editor/Canvas.tsx",
    "src/expression/CodeField.tsx",
  ],
})) {
  const names = new Set(chunks.filter((name) => manifest[name]).flatMap((name) => [...loaded(name)]));
  const bytes = [...names].reduce(
    (sum, name) => sum + gzipSync(readFileSync(join(folder, manifest[name].file))).length,
    0,
  );
  const kib = (bytes / 1024).toFixed(0);
  console.log(`${page}: ${kib} KiB of compressed JavaScript in ${names.size} files`);
  if (bytes > MOST) failed = true;
}
if (failed) {
  console.error(`more than the ${MOST / 1024} KiB that a page may load`);
  process.exit(1);
}
