/** What a chosen node is told: its parameters, how it fails, its credentials; and what its type does. */
import { CirclePlay, FastForward, Pin, PinOff, Trash2, X } from "lucide-react";
import { useCallback, useEffect, useRef, useState } from "react";
import { workflows } from "~/api/contract";
import { call } from "~/api/transport";
import { preview as short } from "~/expression/complete";
import { type Preview as PreviewResult, previewed } from "~/expression/preview";
import { SchemaForm } from "~/forms/SchemaForm";
import type { Schema } from "~/forms/schema";
import { useT } from "~/i18n";
import { rename } from "~/model/edits";
import { type Node, nameOf } from "~/model/graph";
import { delivered, hasEnded, reachOf, received } from "~/model/runs";
import { Markdown } from "~/pages/Markdown";
import { Button, messageOf, Notice, Tabs, toast } from "~/ui";
import { Address } from "./Address";
import { removeNodes } from "./actions";
import { Behaviour } from "./Behaviour";
import { Credentials } from "./Credentials";
import { togglePin } from "./commands";
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
    (path: string) => {
      const found = issues.find((issue) => issue.field === `parameters.${path}`);
      // The field need not be told where it is.
      return found && t.say((found.message ?? "").replace(`${path}: `, ""));
    },
    [issues, t],
  );
  const preview = useCallback((value: string) => <PreviewLine value={value} node={id} />, [id]);
  if (!node) return null;
  const loose = issues.filter((issue) => !issue.field?.startsWith("parameters."));
  const slots = type?.credentials ?? [];
  const signing = slots.filter((slot) => slot.required || slot.name === "auth" || slots.length === 1);
  const others = slots.filter((slot) => !signing.includes(slot));
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
                  {t.say(issue.message ?? "")}
                  {issue.suggestion ? ` — ${t.say(issue.suggestion)}` : ""}
                </Notice>
              ))}
              {type ? null : (
                <Notice tone="red">{t("This server has no node type {type}.", { type: node.type })}</Notice>
              )}
              {node.type === "trigger.webhook" && !readOnly ? <Address node={node} /> : null}
              <Credentials node={node} slots={signing} onChange={change} />
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
              <Credentials node={node} slots={others} isNamed onChange={change} />
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
      else toast("red", t("{name} failed", { name: nameOf(node) }), { text: t.say(answer.message ?? "") });
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

function PreviewLine({ value, node }: { value: string; node: string }) {
  const t = useT();
  const store = useEditorStore();
  const runs = useEditor((editor) => editor.runs);
  const doc = useDoc();
  const [shown, setShown] = useState<PreviewResult & { blind?: boolean }>();
  const known = useRef("");
  useEffect(() => {
    const abort = new AbortController();
    const reach = reachOf(doc, runs, node);
    // Nothing has run yet, so there is nothing that an expression could read.
    const blind = reach.json === undefined && reach.nodes.every((each) => each.json === undefined);
    const signature = JSON.stringify([value, reach]);
    if (known.current === signature || !/\{\{\s*\S[\s\S]*\}\}/.test(value)) return;
    const timer = setTimeout(() => {
      previewed(value, store.getState().history.doc, reach, abort.signal).then(
        (result) => {
          known.current = signature;
          setShown({ ...result, blind });
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
  if ("error" in shown && shown.blind)
    return <div className="preview soft">{t("Run the workflow to see its value here.")}</div>;
  return "error" in shown ? (
    <div className="preview bad">
      <span>{t("Now")}</span>
      <code>{t.say(shown.error)}</code>
    </div>
  ) : (
    <div className="preview" aria-live="polite">
      <span>{t("Now")}</span>
      <code>{short(shown.value) || '""'}</code>
    </div>
  );
}
