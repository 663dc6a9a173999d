/** Undo and redo. Pure. */
import { apply, type Edit, inverse, isEmpty, many } from "./edits";
import type { Doc } from "./graph";

interface Step {
  edit: Edit;
  back: Edit;
  /** Steps of one gesture, such as the letters typed into a field, share a key and are undone together. */
  key: string;
}

export interface History {
  doc: Doc;
  past: Step[];
  future: Step[];
}

const DEEPEST = 500;

export function begin(doc: Doc): History {
  return { doc, past: [], future: [] };
}

export function perform(history: History, edit: Edit, key = ""): History {
  if (isEmpty(edit)) return history;
  const step = { edit, back: inverse(history.doc, edit), key };
  const doc = apply(history.doc, edit);
  const last = history.past.at(-1);
  if (key && last?.key === key && history.future.length === 0) {
    const joined = { edit: many([last.edit, edit]), back: merged(step.back, last.back), key };
    return { doc, past: [...history.past.slice(0, -1), joined], future: [] };
  }
  return { doc, past: [...history.past.slice(-DEEPEST + 1), step], future: [] };
}

/** Going back over two steps; a field that the earlier one restores needs no restoring by the later one. */
function merged(later: Edit, earlier: Edit): Edit {
  if (later.kind === "change" && earlier.kind === "change" && later.node === earlier.node) {
    const covered = Object.keys(later.fields).every((name) => name in earlier.fields);
    if (covered) return earlier;
  }
  return many([later, earlier]);
}

export function undo(history: History): History {
  const step = history.past.at(-1);
  if (!step) return history;
  return {
    doc: apply(history.doc, step.back),
    past: history.past.slice(0, -1),
    future: [step, ...history.future],
  };
}

export function redo(history: History): History {
  const [step, ...future] = history.future;
  if (!step) return history;
  return { doc: apply(history.doc, step.edit), past: [...history.past, { ...step, key: "" }], future };
}
