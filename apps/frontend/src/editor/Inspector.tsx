/** What a chosen node is told: its parameters, how it fails, its credentials; and what its type does. */
import { CirclePlay, Copy, FastForward, Pin, PinOff, Plus, Radio, Trash2, X } from "lucide-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { type CredentialJson, integrations, type NodeJson, triggers, workflows } from "~/api/contract";
import { useCall } from "~/api/hooks";
import { call, stream } from "~/api/transport";
import { preview as short } from "~/expression/complete";
import { type Preview as PreviewResult, previewed } from "~/expression/preview";
import { SchemaForm } from "~/forms/SchemaForm";
import type { Schema } from "~/forms/schema";
import { useT } from "~/i18n";
import { rename } from "~/model/edits";
import { type Node, nameOf } from "~/model/graph";
import { delivered, hasEnded, reachOf, received } from "~/model/runs";
import { CredentialDialog } from "~/pages/CredentialDialog";
import { Markdown } from "~/pages/Markdown";
import { Button, Field, Input, messageOf, Notice, Select, Switch, Tabs, Textarea, toast } from "~/ui";
import { removeNodes } from "./actions";
import { NodeIcon } from "./looks";
import { useDoc, useEditor, useEditorShallow, useEditorStore } from "./store";

export function Inspector({ id, onClose }: { id: string; onClose(): void }) {
  const t = useT();
  const store = useEditorStore();
  const node = useEditor((editor) => editor.byId.get(id));
  const type = useEditor((editor) => editor.types.get(node?.type ?? ""));
  const readOnly = useEditor((editor) => editor.readOnly);
  const issues = useEditorShallow((editor) => editor.issues.filter((issue) => issue.nodeId === id));
  const [tab, setTab] = useState("parameters");
  const [name, setName] = useState<string>();
  const change = useCallback(
    (fields: { [K in keyof Node]?: Node[K] | undefined }, key: string) =>
      store.getState().edit({ kind: "change", node: id, fields }, `${id}:${key}`),
    [store, id],
  );
  const reach = useCallback(() => {
    const editor = store.getState();
    return reachOf(editor.history.doc, editor.runs, id);
  }, [store, id]);
  const wrong = useCallback(
    (path: string) => issues.find((issue) => issue.field === `parameters.${path}`)?.message,
    [issues],
  );
  const preview = useCallback((value: string) => <PreviewLine value={value} node={id} />, [id]);
  if (!node) return null;
  const loose = issues.filter((issue) => !issue.field?.startsWith("parameters."));
  const schema = (type?.parameterSchema ?? {}) as Schema;
  const hasParameters = Object.keys((schema.properties as object | undefined) ?? {}).length > 0;
  const commit = () => {
    if (name?.trim() && name.trim() !== nameOf(node))
      store.getState().edit(rename(store.getState().history.doc, id, name.trim()));
    setName(undefined);
  };
  return (
    <aside className="inspector" aria-label={t("Node {name}", { name: nameOf(node) })}>
      <header className="inspectorhead">
        <NodeIcon type={node.type} />
        <div className="col grow" style={{ gap: 0 }}>
          <input
            className="titleinput"
            aria-label={t("Name of the node")}
            value={name ?? nameOf(node)}
            readOnly={readOnly}
            onChange={(event) => setName(event.target.value)}
            onBlur={commit}
            onKeyDown={(event) => {
              if (event.key === "Enter") event.currentTarget.blur();
              if (event.key === "Escape") setName(undefined);
            }}
          />
          <span className="soft small clip">{type?.name ?? node.type}</span>
        </div>
        <Button look="ghost" small icon label={t("Close")} keys="Esc" onClick={onClose}>
          <X />
        </Button>
      </header>
      {readOnly ? null : <NodeActions node={node} />}
      <Tabs
        label={t("Node")}
        value={tab}
        onChange={setTab}
        tabs={[
          { id: "parameters", label: t("Parameters") },
          { id: "settings", label: t("Settings") },
          { id: "about", label: t("About") },
        ]}
      >
        <div className="inspectorbody">
          {tab === "parameters" ? (
            <>
              {loose.map((issue) => (
                <Notice
                  key={issue.code + (issue.field ?? "")}
                  tone={issue.severity === "SEVERITY_ERROR" ? "red" : "amber"}
                >
                  {issue.message}
                  {issue.suggestion ? ` — ${issue.suggestion}` : ""}
                </Notice>
              ))}
              {type ? null : (
                <Notice tone="red">{t("This server has no node type {type}.", { type: node.type })}</Notice>
              )}
              {node.type === "trigger.webhook" && !readOnly ? <Address node={node} /> : null}
              <Credentials node={node} onChange={change} />
              {hasParameters ? (
                <SchemaForm
                  key={id}
                  schema={schema}
                  value={(node.parameters ?? {}) as Record<string, unknown>}
                  onChange={(parameters, path) =>
                    change({ parameters: parameters as Node["parameters"] }, `parameters.${path}`)
                  }
                  context={{ expressions: true, readOnly, reach, wrong, preview }}
                />
              ) : (
                <p className="soft">{t("This node needs to be told nothing.")}</p>
              )}
            </>
          ) : tab === "settings" ? (
            <Behaviour node={node} onChange={change} readOnly={readOnly} />
          ) : (
            <div className="col" style={{ gap: 12 }}>
              <p className="strong">{type?.summary}</p>
              <Markdown text={unwrapped(type?.help ?? "")} />
              <dl className="facts">
                <dt>{t("Type")}</dt>
                <dd className="mono">
                  {node.type} v{node.typeVersion ?? type?.version}
                </dd>
                <dt>{t("Id")}</dt>
                <dd className="mono">{node.id}</dd>
                <dt>{t("Runs")}</dt>
                <dd>
                  {type?.runMode === "RUN_MODE_PER_ITEM" ? t("Once for each item") : t("Once over all items")}
                </dd>
                <dt>{t("Effect")}</dt>
                <dd>
                  {type?.effect === "EFFECT_PURE"
                    ? t("Computes; touches nothing outside.")
                    : type?.effect === "EFFECT_IDEMPOTENT"
                      ? t("May be repeated safely.")
                      : t("Is never repeated blindly.")}
                </dd>
              </dl>
            </div>
          )}
        </div>
      </Tabs>
    </aside>
  );
}

/** Docstrings break their lines where the source does; paragraphs and lists stay. */
function unwrapped(text: string): string {
  return text.replace(/([^\n])\n(?!\n|\s*[-*] | {4})/g, "$1 ");
}

/** Run this one, run from here, pin, remove. */
function NodeActions({ node }: { node: Node }) {
  const t = useT();
  const store = useEditorStore();
  const execution = useEditor((editor) => editor.execution);
  const hasRun = useEditor((editor) => editor.runs.some((run) => run.nodeId === node.id));
  const [testing, setTesting] = useState(false);
  const test = async () => {
    const editor = store.getState();
    const doc = editor.history.doc;
    setTesting(true);
    try {
      const reach = reachOf(doc, editor.runs, node.id);
      const answer = await call(workflows.testNode, {
        workflow: doc,
        nodeId: node.id,
        input: received(doc, editor.runs, node.id) ?? [{ json: {} }],
        nodeOutputs: Object.fromEntries(
          reach.nodes.flatMap((each) => {
            const source = [...editor.byId.values()].find((other) => nameOf(other) === each.name);
            const items = source && delivered(doc, editor.runs, source.id);
            return items ? [[each.name, { items }]] : [];
          }),
        ),
      });
      if (answer.nodeRun) store.getState().showTest(answer.nodeRun);
      if (answer.success) toast("green", t("{name} succeeded", { name: nameOf(node) }));
      else toast("red", t("{name} failed", { name: nameOf(node) }), { text: answer.message ?? "" });
    } catch (error) {
      toast("red", t("{name} could not be tried", { name: nameOf(node) }), { text: messageOf(error, t) });
    } finally {
      setTesting(false);
    }
  };
  const rerun = async () => {
    try {
      if (!(await store.getState().save())) throw store.getState().trouble;
      const answer = await call(workflows.rerunExecution, {
        executionId: execution?.id ?? "",
        nodeIds: [node.id],
        useLatestDefinition: true,
      });
      void store.getState().watch(answer.executionId ?? "");
    } catch (error) {
      toast("red", t("It could not be run from here"), { text: messageOf(error, t) });
    }
  };
  return (
    <div className="nodeactions">
      <Button small busy={testing} onClick={() => void test()}>
        <CirclePlay />
        {t("Run this node")}
      </Button>
      <Button small disabled={!hasEnded(execution) || !hasRun} onClick={() => void rerun()}>
        <FastForward />
        {t("Run from here")}
      </Button>
      <span className="grow" />
      <Button
        look="ghost"
        small
        icon
        label={node.pinned ? t("Unpin the output") : t("Pin the output")}
        keys="P"
        on={node.pinned !== undefined}
        onClick={() => togglePin(store, node.id, t)}
      >
        {node.pinned ? <PinOff /> : <Pin />}
      </Button>
      <Button
        look="ghost"
        small
        icon
        label={t("Remove the node")}
        keys="Del"
        onClick={() => store.getState().edit(removeNodes(store.getState().history.doc, [node.id]))}
      >
        <Trash2 />
      </Button>
    </div>
  );
}

/** Keeps what a node delivered last, so that it needs not run while its followers are built. */
export function togglePin(
  store: ReturnType<typeof useEditorStore>,
  id: string,
  t: (text: string) => string,
): void {
  const editor = store.getState();
  const node = editor.byId.get(id);
  if (!node) return;
  if (node.pinned) {
    editor.edit({ kind: "change", node: id, fields: { pinned: undefined } });
    return;
  }
  const run = editor.runs.find((each) => each.nodeId === id && each.outputs);
  if (!run?.outputs) {
    toast("amber", t("There is no output to pin yet."), { text: t("Run the workflow or this node first.") });
    return;
  }
  const outputs = Object.fromEntries(
    Object.entries(run.outputs).map(([port, list]) => [
      port,
      { items: (list.items ?? []).map(({ sources: _, ...item }) => item) },
    ]),
  );
  editor.edit({ kind: "change", node: id, fields: { pinned: { outputs } } });
}

function PreviewLine({ value, node }: { value: string; node: string }) {
  const t = useT();
  const store = useEditorStore();
  const runs = useEditor((editor) => editor.runs);
  const doc = useDoc();
  const [shown, setShown] = useState<PreviewResult>();
  const known = useRef("");
  useEffect(() => {
    const abort = new AbortController();
    const reach = reachOf(doc, runs, node);
    const signature = JSON.stringify([value, reach]);
    if (known.current === signature || !/\{\{\s*\S[\s\S]*\}\}/.test(value)) return;
    const timer = setTimeout(() => {
      previewed(value, store.getState().history.doc, reach, abort.signal).then(
        (result) => {
          known.current = signature;
          setShown(result);
        },
        (error: Error) => {
          if (error.name !== "AbortError") setShown({ error: error.message });
        },
      );
    }, 350);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [value, node, doc, runs, store]);
  if (!shown) return null;
  return "error" in shown ? (
    <div className="preview bad">
      <span>{t("Now")}</span>
      <code>{shown.error}</code>
    </div>
  ) : (
    <div className="preview" aria-live="polite">
      <span>{t("Now")}</span>
      <code>{short(shown.value) || '""'}</code>
    </div>
  );
}

/** Where a webhook is called: the published one, and for a test the draft, once. */
function Address({ node }: { node: Node }) {
  const t = useT();
  const store = useEditorStore();
  const workflowId = store.getState().id;
  const list = useCall(triggers.listTriggers, { workflowId, limit: 100 });
  const live = list.data?.triggers?.find((trigger) => trigger.nodeId === node.id)?.webhookUrl;
  const [test, setTest] = useState("");
  const abort = useRef<AbortController>(undefined);
  useEffect(() => () => abort.current?.abort(), []);
  const listen = async () => {
    abort.current?.abort();
    const mine = new AbortController();
    abort.current = mine;
    try {
      if (!(await store.getState().save())) throw store.getState().trouble;
      for await (const told of stream(triggers.listenTrigger, { workflowId, nodeId: node.id }, mine.signal)) {
        if (told.url) setTest(told.url);
        if (told.executionId) {
          toast("green", t("The test call has come"));
          void store.getState().watch(told.executionId);
        }
      }
    } catch (error) {
      if (!mine.signal.aborted) toast("red", t("It can not listen"), { text: messageOf(error, t) });
    } finally {
      if (abort.current === mine) setTest("");
    }
  };
  const copied = (text: string) =>
    void navigator.clipboard.writeText(text).then(() => toast("green", t("Copied")));
  return (
    <div className="address">
      {live ? (
        <>
          <span className="small soft">{t("Its address, for the published version")}</span>
          <div className="row">
            <code className="grow">{live}</code>
            <Button small icon look="ghost" label={t("Copy")} onClick={() => copied(live)}>
              <Copy />
            </Button>
          </div>
        </>
      ) : (
        <span className="small soft">{t("It has an address once the workflow is published.")}</span>
      )}
      {test ? (
        <>
          <span className="small soft" role="status">
            {t("Call this now; the draft runs with what comes.")}
          </span>
          <div className="row">
            <code className="grow testurl">{test}</code>
            <Button small icon look="ghost" label={t("Copy")} onClick={() => copied(test)}>
              <Copy />
            </Button>
          </div>
          <div>
            <Button small onClick={() => abort.current?.abort()}>
              {t("Stop listening")}
            </Button>
          </div>
        </>
      ) : (
        <div>
          <Button small onClick={() => void listen()}>
            <Radio />
            {t("Listen for a test call")}
          </Button>
        </div>
      )}
    </div>
  );
}

type Change = (fields: { [K in keyof Node]?: Node[K] | undefined }, key: string) => void;

function Credentials({ node, onChange }: { node: Node; onChange: Change }) {
  const t = useT();
  const type = useEditor((editor) => editor.types.get(node.type));
  const slots = type?.credentials ?? [];
  const list = useCall(integrations.listCredentials, { limit: 500 }, { enabled: slots.length > 0 });
  const [creating, setCreating] = useState<string[]>();
  const [slotName, setSlotName] = useState("");
  if (slots.length === 0) return null;
  const set = (slot: string, credential: string) => {
    const credentials = { ...node.credentials };
    if (credential) credentials[slot] = credential;
    else delete credentials[slot];
    onChange(
      { credentials: Object.keys(credentials).length > 0 ? credentials : undefined },
      `credential.${slot}`,
    );
  };
  return (
    <>
      {slots.map((slot) => {
        const fitting = (list.data?.credentials ?? []).filter((each: CredentialJson) =>
          slot.types?.includes(each.type ?? ""),
        );
        return (
          <Field
            key={slot.name}
            label={slots.length > 1 ? t("Credential: {name}", { name: slot.name ?? "" }) : t("Credential")}
            required={slot.required ?? false}
          >
            {(id) => (
              <div className="row">
                <Select
                  id={id}
                  value={node.credentials?.[slot.name ?? ""] ?? ""}
                  onChange={(event) => set(slot.name ?? "", event.target.value)}
                  options={[
                    { value: "", label: t("None") },
                    ...fitting.map((each) => ({
                      value: each.id ?? "",
                      label: `${each.name} · ${each.type}`,
                    })),
                  ]}
                />
                <Button
                  icon
                  label={t("New credential")}
                  onClick={() => {
                    setSlotName(slot.name ?? "");
                    setCreating(slot.types ?? []);
                  }}
                >
                  <Plus />
                </Button>
              </div>
            )}
          </Field>
        );
      })}
      {creating ? (
        <CredentialDialog
          types={creating}
          onClose={() => setCreating(undefined)}
          onDone={(credential) => {
            set(slotName, credential.id ?? "");
            setCreating(undefined);
          }}
        />
      ) : null}
    </>
  );
}

const ON_ERROR: { value: NonNullable<NodeJson["onError"]>; label: string }[] = [
  { value: "ON_ERROR_STOP", label: "Stop the workflow" },
  { value: "ON_ERROR_CONTINUE", label: "Go on, with the failure in the item" },
  { value: "ON_ERROR_ERROR_PORT", label: "Leave by an error port" },
];
const UNKNOWN: { value: NonNullable<NodeJson["onUnknownOutcome"]>; label: string }[] = [
  { value: "UNKNOWN_OUTCOME_PARK", label: "Wait for a person to decide" },
  { value: "UNKNOWN_OUTCOME_RETRY", label: "Do it again: it may happen twice" },
  { value: "UNKNOWN_OUTCOME_FAIL", label: "Fail" },
];

function seconds(duration: string | undefined): string {
  return duration ? duration.replace(/s$/, "") : "";
}

function Behaviour({ node, onChange, readOnly }: { node: Node; onChange: Change; readOnly: boolean }) {
  const t = useT();
  const doc = useDoc();
  const type = useEditor((editor) => editor.types.get(node.type));
  const retry = node.retry ?? {};
  const setRetry = (fields: Partial<NonNullable<Node["retry"]>>) => {
    const made = { ...retry, ...fields };
    for (const [key, value] of Object.entries(made))
      if (value === undefined || value === "") delete made[key as keyof typeof made];
    onChange({ retry: Object.keys(made).length > 0 ? made : undefined }, "retry");
  };
  return (
    <fieldset className="form bare" disabled={readOnly}>
      <Field label={t("When it fails")}>
        {(id) => (
          <Select
            id={id}
            value={node.onError ?? "ON_ERROR_STOP"}
            onChange={(event) =>
              onChange(
                {
                  onError:
                    event.target.value === "ON_ERROR_STOP"
                      ? undefined
                      : (event.target.value as Node["onError"]),
                },
                "onError",
              )
            }
            options={ON_ERROR.map((each) => ({ value: each.value, label: t(each.label) }))}
          />
        )}
      </Field>
      <div className="pair">
        <Field label={t("Attempts")} hint={t("In all; 1 means no retry.")}>
          {(id) => (
            <Input
              id={id}
              type="number"
              min={1}
              max={1000}
              placeholder="1"
              value={retry.maxAttempts || ""}
              onChange={(event) =>
                setRetry({ maxAttempts: event.target.value ? Number(event.target.value) : undefined })
              }
            />
          )}
        </Field>
        <Field label={t("First wait")} hint={t("Seconds before the second attempt.")}>
          {(id) => (
            <Input
              id={id}
              type="number"
              min={0}
              step="any"
              placeholder="1"
              value={seconds(retry.initialInterval)}
              onChange={(event) =>
                setRetry({ initialInterval: event.target.value ? `${event.target.value}s` : undefined })
              }
            />
          )}
        </Field>
        <Field label={t("Factor")} hint={t("From one wait to the next.")}>
          {(id) => (
            <Input
              id={id}
              type="number"
              min={1}
              max={100}
              step="any"
              placeholder="2"
              value={retry.backoffCoefficient || ""}
              onChange={(event) =>
                setRetry({ backoffCoefficient: event.target.value ? Number(event.target.value) : undefined })
              }
            />
          )}
        </Field>
        <Field label={t("Longest wait")} hint={t("Seconds.")}>
          {(id) => (
            <Input
              id={id}
              type="number"
              min={0}
              step="any"
              placeholder="100"
              value={seconds(retry.maxInterval)}
              onChange={(event) =>
                setRetry({ maxInterval: event.target.value ? `${event.target.value}s` : undefined })
              }
            />
          )}
        </Field>
      </div>
      <Field label={t("Time limit")} hint={t("Seconds for one attempt; none when empty.")}>
        {(id) => (
          <Input
            id={id}
            type="number"
            min={0}
            step="any"
            value={seconds(node.timeout)}
            onChange={(event) =>
              onChange({ timeout: event.target.value ? `${event.target.value}s` : undefined }, "timeout")
            }
          />
        )}
      </Field>
      {type?.effect === "EFFECT_AT_MOST_ONCE" ? (
        <Field
          label={t("After a crash in the middle")}
          hint={t("When nobody knows whether the effect happened.")}
        >
          {(id) => (
            <Select
              id={id}
              value={node.onUnknownOutcome ?? "UNKNOWN_OUTCOME_PARK"}
              onChange={(event) =>
                onChange(
                  { onUnknownOutcome: event.target.value as Node["onUnknownOutcome"] },
                  "onUnknownOutcome",
                )
              }
              options={UNKNOWN.map((each) => ({ value: each.value, label: t(each.label) }))}
            />
          )}
        </Field>
      ) : null}
      <Field
        label={t("Undo with")}
        hint={t("Runs with this node's output when the execution fails later or is canceled.")}
      >
        {(id) => (
          <Select
            id={id}
            value={node.undoNode ?? ""}
            onChange={(event) => onChange({ undoNode: event.target.value || undefined }, "undoNode")}
            options={[
              { value: "", label: t("Nothing") },
              ...(doc.nodes ?? [])
                .filter((other) => other.id !== node.id)
                .map((other) => ({ value: other.id ?? "", label: nameOf(other) })),
            ]}
          />
        )}
      </Field>
      <Field label={t("Switched off")} hint={t("Hands its items on without doing anything.")}>
        {(id) => (
          <Switch
            id={id}
            checked={node.disabled ?? false}
            onChange={(disabled) => onChange({ disabled: disabled || undefined }, "disabled")}
          />
        )}
      </Field>
      <Field label={t("Notes")}>
        {(id) => (
          <Textarea
            id={id}
            value={node.notes ?? ""}
            onChange={(event) => onChange({ notes: event.target.value || undefined }, "notes")}
          />
        )}
      </Field>
    </fieldset>
  );
}
