/** One workflow under edit: its drawing and history, what the server says about it, and the run that is watched. */
import { createContext, use } from "react";
import { createStore, type StoreApi, useStore } from "zustand";
import { useShallow } from "zustand/react/shallow";
import type {
  ExecutionJson,
  ItemJson,
  NodePortsJson,
  NodeRunJson,
  NodeTypeJson,
  ValidationIssueJson,
  WorkflowJson,
} from "~/api/contract";
import { workflows } from "~/api/contract";
import { ApiError, call, stream } from "~/api/transport";
import { apply, type Edit, isEmpty } from "~/model/edits";
import {
  connectionsOf,
  type Doc,
  MAIN,
  type Node,
  named,
  nodesOf,
  type Ports,
  portsOf,
  tidied,
} from "~/model/graph";
import { begin, type History, perform, redo, undo } from "~/model/history";
import type { Proposal } from "~/model/review";
import { hasEnded, type NodeState, sameState, statesByNode } from "~/model/runs";

export type Saving = "saved" | "dirty" | "saving" | "refused" | "conflict" | "failed";

export interface Review {
  proposals: Proposal[];
  /** Of those that are chosen. */
  keys: Set<string>;
  explanation: string;
  before: Doc;
}

export interface Editor {
  id: string;
  history: History;
  stored: Doc;
  etag: string;
  saving: Saving;
  trouble: unknown;
  readOnly: boolean;
  byId: Map<string, Node>;
  /** Output ports from which a connection leads, as `node.port`. */
  used: ReadonlySet<string>;
  types: Map<string, NodeTypeJson>;
  ports: Record<string, NodePortsJson>;
  issues: ValidationIssueJson[];
  selected: string[];
  opened: string | undefined;
  execution: ExecutionJson | undefined;
  runs: NodeRunJson[];
  states: Record<string, NodeState>;
  starting: boolean;
  /** The canvas is seen from so far that nobody can read: it draws less, which keeps a thousand nodes quick. */
  far: boolean;
  review: Review | undefined;
  /** What the canvas shows: the draft, or under review the draft with what is chosen, and what would go. */
  shown: Doc;

  edit(edit: Edit, key?: string): void;
  undo(): void;
  redo(): void;
  select(ids: string[]): void;
  open(id: string | undefined): void;
  portsOf(node: Node): Ports;
  save(): Promise<boolean>;
  overwrite(): Promise<boolean>;
  reload(): Promise<void>;
  validate(): Promise<void>;
  run(options?: { input?: ItemJson[]; trigger?: string }): Promise<void>;
  watch(executionId: string): Promise<void>;
  /** Shows the run of one node that was tried by itself, among the runs that are there. */
  showTest(run: NodeRunJson): void;
  forget(): void;
  close(): void;
  setReview(review: Review | undefined): void;
}

export type EditorStore = StoreApi<Editor>;

const AUTOSAVE = 700;
const VALIDATE = 350;

export function parkedKey(id: string): string {
  return `draft:${id}`;
}

function index(doc: Doc): Pick<Editor, "byId" | "used"> {
  return {
    byId: new Map(nodesOf(doc).map((node) => [node.id, node])),
    used: new Set(connectionsOf(doc).map((link) => `${link.fromNode}.${link.fromPort || MAIN}`)),
  };
}

function reviewed(review: Review): Doc {
  return review.proposals
    .filter((each) => each.kind !== "remove" && review.keys.has(each.key))
    .sort((a, b) => Number(a.what === "connection") - Number(b.what === "connection"))
    .reduce((doc, each) => apply(doc, each.edit), review.before);
}

export function createEditor(given: WorkflowJson, types: NodeTypeJson[], readOnly = false): EditorStore {
  const workflow = tidied(given);
  const id = workflow.id ?? "";
  let saveTimer: ReturnType<typeof setTimeout> | undefined;
  let validateTimer: ReturnType<typeof setTimeout> | undefined;
  let watching: AbortController | undefined;
  let saved: Promise<boolean> | undefined;

  return createStore<Editor>((set, get) => {
    const changed = (history: History) => {
      set({ history, shown: history.doc, ...index(history.doc), saving: "dirty" });
      clearTimeout(saveTimer);
      clearTimeout(validateTimer);
      saveTimer = setTimeout(() => void get().save(), AUTOSAVE);
      validateTimer = setTimeout(() => void get().validate(), VALIDATE);
      try {
        localStorage.setItem(parkedKey(id), JSON.stringify({ etag: get().etag, doc: history.doc }));
      } catch {
        // A full or forbidden storage only loses the copy.
      }
    };

    const store = async (etag: string): Promise<boolean> => {
      const doc = get().history.doc;
      set({ saving: "saving" });
      try {
        const answer = await call(workflows.updateWorkflow, {
          workflowId: id,
          workflow: doc,
          updateMask: `name,description,tags,nodes,connections,settings,vars${doc.userId ? ",userId" : ""}`,
          etag,
        });
        const isNewest = get().history.doc === doc;
        set({
          etag: answer.workflow?.etag ?? "",
          stored: doc,
          saving: isNewest ? "saved" : "dirty",
          trouble: undefined,
        });
        if (isNewest) localStorage.removeItem(parkedKey(id));
        return true;
      } catch (error) {
        const reason = error instanceof ApiError ? error.reason : "";
        set({
          saving:
            reason === "ETAG_MISMATCH" ? "conflict" : reason === "INVALID_WORKFLOW" ? "refused" : "failed",
          trouble: error,
        });
        return false;
      }
    };

    const showRuns = (runs: NodeRunJson[], execution: ExecutionJson | undefined) => {
      const before = get().states;
      const states = statesByNode(runs, execution?.status === "RUNNING");
      for (const [node, state] of Object.entries(states))
        if (before[node] && sameState(before[node], state)) states[node] = before[node];
      set({ runs, states, execution });
    };

    return {
      id,
      history: begin(workflow),
      stored: workflow,
      etag: workflow.etag ?? "",
      saving: "saved",
      trouble: undefined,
      readOnly,
      ...index(workflow),
      types: new Map(types.map((type) => [type.type ?? "", type])),
      ports: {},
      issues: [],
      selected: [],
      opened: undefined,
      execution: undefined,
      runs: [],
      states: {},
      starting: false,
      far: false,
      review: undefined,
      shown: workflow,

      edit(edit, key) {
        if (get().readOnly || isEmpty(edit)) return;
        changed(perform(get().history, edit, key));
      },
      undo() {
        if (get().history.past.length > 0) changed(undo(get().history));
      },
      redo() {
        if (get().history.future.length > 0) changed(redo(get().history));
      },
      select(ids) {
        const before = get().selected;
        if (ids.length === before.length && ids.every((each, at) => each === before[at])) return;
        set({ selected: ids });
      },
      open(node) {
        set({ opened: node });
      },
      portsOf(node) {
        return portsOf(node, get().ports[node.id], get().types.get(node.type));
      },

      async save() {
        clearTimeout(saveTimer);
        if (saved) await saved;
        if (get().saving === "saved" || get().saving === "conflict") return get().saving === "saved";
        saved = store(get().etag);
        const done = await saved;
        saved = undefined;
        return done;
      },
      async overwrite() {
        const newest = await call(workflows.getWorkflow, { workflowId: id });
        return store(newest.workflow?.etag ?? "");
      },
      async reload() {
        const newest = await call(workflows.getWorkflow, { workflowId: id });
        const doc = tidied(newest.workflow ?? {});
        localStorage.removeItem(parkedKey(id));
        set({
          history: begin(doc),
          shown: doc,
          ...index(doc),
          stored: doc,
          etag: doc.etag ?? "",
          saving: "saved",
          trouble: undefined,
        });
        await get().validate();
      },
      async validate() {
        const doc = get().history.doc;
        try {
          const answer = await call(workflows.validateWorkflow, { workflow: { ...doc, id: id } });
          if (get().history.doc !== doc) return;
          const issues = (answer.issues ?? []).map((issue) => ({
            ...issue,
            message: named(issue.message ?? "", doc),
            suggestion: named(issue.suggestion ?? "", doc),
          }));
          set({ ports: answer.ports ?? {}, issues });
        } catch {
          // Without an answer the drawing keeps the ports and issues that it has.
        }
      },

      async run(options = {}) {
        set({ starting: true });
        try {
          if (!(await get().save())) throw get().trouble ?? new Error("not saved");
          const started = await call(workflows.executeWorkflow, {
            workflowId: id,
            mode: "MANUAL",
            ...(options.input ? { input: options.input } : {}),
            ...(options.trigger ? { triggerNodeId: options.trigger } : {}),
          });
          void get().watch(started.executionId ?? "");
        } finally {
          set({ starting: false });
        }
      },
      async watch(executionId) {
        watching?.abort();
        const mine = new AbortController();
        watching = mine;
        const byAddress = new Map<string, NodeRunJson>();
        let seq = 0;
        showRuns([], { id: executionId, status: "NEW" });
        for (let failures = 0; !mine.signal.aborted; ) {
          try {
            const events = stream(
              workflows.watchExecution,
              { executionId, fromSeq: String(seq + 1) },
              mine.signal,
            );
            for await (const update of events) {
              failures = 0;
              seq = Number(update.event?.seq ?? seq);
              for (const run of update.nodeRuns ?? []) byAddress.set(run.address ?? "", run);
              showRuns([...byAddress.values()], {
                ...get().execution,
                id: executionId,
                ...(update.status ? { status: update.status } : {}),
              });
            }
            const answer = await call(workflows.getExecutionStatus, { executionId }, { signal: mine.signal });
            const execution = answer.execution;
            if (mine.signal.aborted) return;
            showRuns(execution?.nodeRuns ?? [], execution);
            if (hasEnded(execution)) return;
          } catch (error) {
            if (mine.signal.aborted) return;
            if (++failures > 5 || (error instanceof ApiError && error.status >= 400 && error.status < 500))
              return;
            await new Promise((resolve) => setTimeout(resolve, 300 * 2 ** failures));
          }
        }
      },
      showTest(run) {
        const { runs, execution } = get();
        showRuns([...runs.filter((each) => each.nodeId !== run.nodeId), run], execution);
      },
      forget() {
        watching?.abort();
        set({ execution: undefined, runs: [], states: {} });
      },
      close() {
        watching?.abort();
        clearTimeout(validateTimer);
        if (get().saving === "dirty") void get().save();
        clearTimeout(saveTimer);
      },
      setReview(review) {
        const shown = review ? reviewed(review) : get().history.doc;
        set({ review, shown, ...index(shown) });
      },
    };
  });
}

export const EditorContext = createContext<EditorStore | undefined>(undefined);

export function useEditorStore(): EditorStore {
  const store = use(EditorContext);
  if (!store) throw new Error("outside an editor");
  return store;
}

export function useEditor<T>(pick: (editor: Editor) => T): T {
  return useStore(useEditorStore(), pick);
}

export function useEditorShallow<T>(pick: (editor: Editor) => T): T {
  return useStore(useEditorStore(), useShallow(pick));
}

/** The drawing that the canvas shows. */
export function useDoc(): Doc {
  return useEditor((editor) => editor.history.doc);
}
