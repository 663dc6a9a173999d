/** Search for a node type to add, or for a node to connect to. */
import { Command } from "cmdk";
import { ArrowRight, Search } from "lucide-react";
import { Dialog as RadixDialog } from "radix-ui";
import { useMemo, useState } from "react";
import { create } from "zustand";
import type { NodeTypeJson } from "~/api/contract";
import { useT } from "~/i18n";
import { isResource, MAIN, nameOf, nodeOf, nodesOf, refusal } from "~/model/graph";
import { addNode, type Place } from "./actions";
import { NodeIcon } from "./looks";
import { score } from "./score";
import { useEditorStore } from "./store";
import "~/ui/palette.css";

interface Palette {
  place: Place | undefined;
  connecting: string | undefined;
  open(place: Place): void;
  connect(node: string): void;
  close(): void;
}

export const usePalette = create<Palette>((set) => ({
  place: undefined,
  connecting: undefined,
  open: (place) => set({ place, connecting: undefined }),
  connect: (node) => set({ connecting: node, place: undefined }),
  close: () => set({ place: undefined, connecting: undefined }),
}));

export const FAMILIES: Record<string, string> = {
  trigger: "Triggers",
  action: "Actions",
  external_action: "Apps",
  flow: "Flow",
  ai_agent: "AI",
  human: "People",
  tool: "Tools",
  memory: "Memory",
};

/** What people reach for most: where nothing starts yet, and after that. */
const USUAL_STARTS = ["trigger.manual", "trigger.webhook", "trigger.cron", "trigger.form"];
const USUAL_STEPS = [
  "action.http_request",
  "flow.set",
  "flow.if",
  "action.run_code",
  "ai_agent.agent",
  "human.approval",
];

export function PaletteDialog({ onAdded }: { onAdded(id: string): void }) {
  const t = useT();
  const store = useEditorStore();
  const { place, connecting, close } = usePalette();
  const isOpen = place !== undefined || connecting !== undefined;
  return (
    <RadixDialog.Root open={isOpen} onOpenChange={(open) => !open && close()}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="veil" />
        <RadixDialog.Content className="palette" aria-describedby={undefined}>
          <RadixDialog.Title className="sr">
            {connecting ? t("Connect to") : t("Add a node")}
          </RadixDialog.Title>
          {place ? (
            <AddList
              place={place}
              onChoose={(type) => {
                const { edit, id } = addNode(store.getState(), type, place);
                store.getState().edit(edit);
                close();
                onAdded(id);
              }}
            />
          ) : null}
          {connecting ? <ConnectList from={connecting} onDone={close} /> : null}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

function AddList({ place, onChoose }: { place: Place; onChoose(type: NodeTypeJson): void }) {
  const t = useT();
  const store = useEditorStore();
  const [search, setSearch] = useState("");
  const groups = useMemo(() => {
    const editor = store.getState();
    const doc = editor.history.doc;
    const target = place.before && nodeOf(doc, place.before.node);
    const wanted = target && editor.portsOf(target).inputs.find((port) => port.name === place.before?.port);
    const fits = (type: NodeTypeJson) => {
      if (wanted && isResource(wanted))
        return type.outputs?.some((port) => port.resource === wanted.resource) ?? false;
      if (place.after || place.into) return (type.inputs ?? []).some((port) => !isResource(port));
      return true;
    };
    const made = new Map<string, NodeTypeJson[]>();
    for (const type of editor.types.values()) {
      if (!fits(type)) continue;
      const list = made.get(type.family ?? "");
      if (list) list.push(type);
      else made.set(type.family ?? "", [type]);
    }
    const begins = nodesOf(doc).some((node) => node.type.startsWith("trigger."));
    const usual = (begins ? USUAL_STEPS : USUAL_STARTS).flatMap((type) => editor.types.get(type) ?? []);
    const families = Object.keys(FAMILIES).filter((family) => made.has(family));
    const all = families.flatMap((family) => made.get(family) ?? []);
    // What starts a workflow is looked for first where nothing does yet, and last where something does.
    if (begins && families[0] === "trigger") families.push(...families.splice(0, 1));
    return {
      usual: wanted && isResource(wanted) ? [] : usual.filter(fits),
      families: families.map((family) => [family, made.get(family) ?? []] as const),
      all,
    };
  }, [store, place]);
  // What fits best stands first, of whatever family, so that Enter takes it.
  const found = useMemo(() => best(groups.all, search), [groups, search]);
  const item = (type: NodeTypeJson, family?: string, again = "") => (
    <Command.Item key={type.type} value={`${type.type}${again}`} onSelect={() => onChoose(type)}>
      <NodeIcon type={type.type ?? ""} />
      <div className="col grow" style={{ gap: 0 }}>
        <span className="strong clip">{type.name}</span>
        <span className="soft small clip">{type.summary}</span>
      </div>
      {family ? <span className="soft small">{t(FAMILIES[family] ?? family)}</span> : null}
    </Command.Item>
  );
  return (
    <Command label={t("Add a node")} loop shouldFilter={false}>
      <div className="palettehead">
        <Search aria-hidden />
        <Command.Input placeholder={t("Search nodes…")} autoFocus value={search} onValueChange={setSearch} />
      </div>
      <Command.List>
        <Command.Empty>{t("No node is called so.")}</Command.Empty>
        {search.trim() ? (
          found.map((type) => item(type, type.family))
        ) : (
          <>
            {groups.usual.length > 0 ? (
              <Command.Group heading={t("Often used")}>
                {groups.usual.map((type) => item(type, undefined, " often"))}
              </Command.Group>
            ) : null}
            {groups.families.map(([family, types]) => (
              <Command.Group key={family} heading={t(FAMILIES[family] ?? family)}>
                {types.map((type) => item(type))}
              </Command.Group>
            ))}
          </>
        )}
      </Command.List>
    </Command>
  );
}

/** Tools and memories are for agents, so others that fit as well stand before them. */
const isPart = (type: NodeTypeJson) => Number(type.family === "tool" || type.family === "memory");

/** The types that fit what is searched for, the best first; of two that fit alike, the one with the shorter name. */
function best(types: NodeTypeJson[], search: string): NodeTypeJson[] {
  return types
    .map((type) => ({ type, fit: score(`${type.name} ${type.type}`, search, [type.summary ?? ""]) }))
    .filter(({ fit }) => fit > 0)
    .sort(
      (a, b) =>
        b.fit - a.fit ||
        isPart(a.type) - isPart(b.type) ||
        (a.type.name ?? "").length - (b.type.name ?? "").length,
    )
    .map(({ type }) => type);
}

function ConnectList({ from, onDone }: { from: string; onDone(): void }) {
  const t = useT();
  const store = useEditorStore();
  const options = useMemo(() => {
    const editor = store.getState();
    const doc = editor.history.doc;
    const source = nodeOf(doc, from);
    if (!source) return [];
    return editor.portsOf(source).outputs.flatMap((output) =>
      nodesOf(doc).flatMap((node) =>
        editor.portsOf(node).inputs.flatMap((input) => {
          const link = {
            fromNode: from,
            fromPort: output.name ?? MAIN,
            toNode: node.id,
            toPort: input.name ?? MAIN,
          };
          return refusal(doc, link, editor.portsOf) ? [] : [{ link, node }];
        }),
      ),
    );
  }, [store, from]);
  return (
    <Command label={t("Connect to")} loop filter={score}>
      <div className="palettehead">
        <ArrowRight aria-hidden />
        <Command.Input placeholder={t("Connect to…")} autoFocus />
      </div>
      <Command.List>
        <Command.Empty>{t("There is nothing to connect to.")}</Command.Empty>
        {options.map(({ link, node }) => (
          <Command.Item
            key={`${link.fromPort}-${link.toNode}-${link.toPort}`}
            value={`${nameOf(node)} ${link.toPort} ${link.fromPort}`}
            onSelect={() => {
              store.getState().edit({ kind: "add", nodes: [], connections: [link] });
              onDone();
            }}
          >
            <NodeIcon type={node.type} />
            <span className="strong clip grow">{nameOf(node)}</span>
            <span className="soft small">
              {link.fromPort} → {link.toPort}
            </span>
          </Command.Item>
        ))}
      </Command.List>
    </Command>
  );
}
