/** The assistant: it proposes changes of the workflow, a person takes them or leaves them. */
import { Check, Send, Sparkles, X } from "lucide-react";
import { useEffect, useMemo, useRef, useState } from "react";
import { ai } from "~/api/contract";
import { call, stream } from "~/api/transport";
import { useT } from "~/i18n";
import { apply } from "~/model/edits";
import { type Doc, nodesOf, tidied } from "~/model/graph";
import { beside } from "~/model/layout";
import { accepted, type Proposal, proposals } from "~/model/review";
import { Markdown } from "~/pages/Markdown";
import { Badge, Button, Notice, Problem, Segments, Textarea } from "~/ui";
import { Changes } from "./Changes";
import { WIDTH } from "./geometry";
import { type Editor, useEditor, useEditorStore } from "./store";

type Said = { by: "me" | "assistant"; text: string } | { by: "problem"; error: unknown };
type Mode = "change" | "ask";

export default function ChatPanel({ onClose }: { onClose(): void }) {
  const t = useT();
  const store = useEditorStore();
  const review = useEditor((editor) => editor.review);
  const [mode, setMode] = useState<Mode>("change");
  const [text, setText] = useState("");
  const [said, setSaid] = useState<Said[]>([]);
  const [busy, setBusy] = useState(false);
  const conversation = useRef("");
  const abort = useRef<AbortController>(undefined);
  const end = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    field.current?.focus();
  }, []);
  useEffect(() => () => abort.current?.abort(), []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whatever is added is scrolled to
  useEffect(() => {
    end.current?.scrollIntoView({ block: "end" });
  }, [said, review]);

  const send = async () => {
    const wanted = text.trim();
    if (!wanted || busy) return;
    setText("");
    setBusy(true);
    setSaid((before) => [...before, { by: "me", text: wanted }]);
    abort.current = new AbortController();
    try {
      if (mode === "change") {
        const before = store.getState().history.doc;
        const answer = await call(
          ai.refineWorkflow,
          { workflow: before, instruction: wanted },
          { signal: abort.current.signal },
        );
        const after = placed(tidied(answer.workflow ?? before));
        const found = proposals(before, after);
        setSaid((all) => [
          ...all,
          { by: "assistant", text: answer.explanation || t.say(answer.message ?? "") },
        ]);
        if (found.length > 0)
          store.getState().setReview({
            proposals: found,
            keys: new Set(found.map((each) => each.key)),
            explanation: answer.explanation ?? "",
            before,
          });
      } else {
        let answer = "";
        setSaid((all) => [...all, { by: "assistant", text: "" }]);
        const turn = { conversationId: conversation.current, text: wanted };
        for await (const piece of stream(ai.streamChatWithAgent, { turn }, abort.current.signal)) {
          if ("text" in piece && piece.text) answer += piece.text;
          if ("done" in piece && piece.done) {
            conversation.current = piece.done.conversationId ?? "";
            answer = piece.done.text || answer;
          }
          setSaid((all) => [...all.slice(0, -1), { by: "assistant", text: answer }]);
        }
      }
    } catch (error) {
      if ((error as Error).name !== "AbortError")
        setSaid((all) => [
          ...all.filter((each) => each.by !== "assistant" || each.text !== ""),
          { by: "problem", error },
        ]);
    } finally {
      setBusy(false);
    }
  };

  return (
    <aside className="inspector" aria-label={t("Assistant")}>
      <header className="inspectorhead">
        <Sparkles size={17} aria-hidden />
        <h2 className="grow">{t("Assistant")}</h2>
        <Segments<Mode>
          label={t("What to do")}
          value={mode}
          onChange={setMode}
          options={[
            { value: "change", label: t("Change") },
            { value: "ask", label: t("Ask") },
          ]}
        />
        <Button look="ghost" small icon label={t("Close")} keys="mod+J" onClick={onClose}>
          <X />
        </Button>
      </header>
      <div className="chat" aria-live="polite">
        {said.length === 0 ? (
          <p className="soft">
            {mode === "change"
              ? t("Say what the workflow shall do otherwise. You see every change before it is made.")
              : t("Ask about workflows, nodes and expressions.")}
          </p>
        ) : null}
        {said.map((each, index) =>
          each.by === "problem" ? (
            <Problem key={index} error={each.error} />
          ) : (
            <div key={index} className={each.by === "me" ? "said me" : "said"}>
              {each.by === "me" ? each.text : <Markdown text={each.text || "…"} />}
            </div>
          ),
        )}
        {busy && mode === "change" ? <Badge tone="accent">{t("Thinking…")}</Badge> : null}
        {review ? <Review review={review} /> : null}
        <div ref={end} />
      </div>
      <form
        className="chatbox"
        onSubmit={(event) => {
          event.preventDefault();
          void send();
        }}
      >
        <Textarea
          ref={field}
          rows={3}
          aria-label={t("Message")}
          placeholder={
            mode === "change"
              ? t("For example: send a mail when the total is above 1,000")
              : t("Your question")
          }
          value={text}
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
              event.preventDefault();
              void send();
            }
          }}
        />
        <div className="row between">
          <span className="soft small">{t("Enter sends, Shift Enter breaks the line.")}</span>
          {busy ? (
            <Button onClick={() => abort.current?.abort()}>{t("Stop")}</Button>
          ) : (
            <Button look="primary" type="submit" disabled={!text.trim() || review !== undefined}>
              <Send />
              {t("Send")}
            </Button>
          )}
        </div>
      </form>
    </aside>
  );
}

/** New nodes that stand nowhere are put beside what leads to them. */
export function placed(doc: Doc): Doc {
  let made = doc;
  for (const node of nodesOf(doc)) {
    if (node.position) continue;
    const source = (doc.connections ?? []).find((link) => link.toNode === node.id)?.fromNode;
    const after = nodesOf(made).find((each) => each.id === source);
    const others = { ...made, nodes: nodesOf(made).filter((each) => each.position) };
    const position = beside(others, after, WIDTH);
    made = apply(made, { kind: "move", positions: { [node.id]: position } });
  }
  return made;
}

function Review({ review }: { review: NonNullable<Editor["review"]> }) {
  const t = useT();
  const store = useEditorStore();
  const { proposals: all, keys } = review;
  const edit = useMemo(() => accepted(all, keys), [all, keys]);
  const count = all.filter((each) => keys.has(each.key)).length;
  const toggle = (proposal: Proposal) => {
    const next = new Set(keys);
    if (next.has(proposal.key)) {
      next.delete(proposal.key);
      // What stands on it falls with it.
      for (const each of all) if (each.needs.includes(proposal.key)) next.delete(each.key);
    } else {
      next.add(proposal.key);
      for (const need of proposal.needs) next.add(need);
    }
    store.getState().setReview({ ...review, keys: next });
  };
  const finish = (take: boolean) => {
    store.getState().setReview(undefined);
    if (take) store.getState().edit(edit);
  };
  return (
    <section className="col" aria-label={t("Proposed changes")}>
      <h3>{t("Proposed changes")}</h3>
      {all.map((proposal) => (
        <label
          key={proposal.key}
          className={`proposal ${proposal.kind}${keys.has(proposal.key) ? "" : " off"}`}
        >
          <input type="checkbox" checked={keys.has(proposal.key)} onChange={() => toggle(proposal)} />
          <span className="col grow" style={{ gap: 3 }}>
            <span className="row">
              <span className="strong">{proposal.title}</span>
              <span className="soft small">
                {t(WHAT[`${proposal.kind} ${proposal.what}`] ?? proposal.kind)}
              </span>
            </span>
            {proposal.changes.length > 0 ? <Changes changes={proposal.changes} most={6} /> : null}
          </span>
        </label>
      ))}
      {count === 0 ? <Notice>{t("Nothing is chosen.")}</Notice> : null}
      <div className="row">
        <Button look="primary" disabled={count === 0} onClick={() => finish(true)}>
          <Check />
          {count === all.length ? t("Accept all") : t("Accept {count}", { count })}
        </Button>
        <Button onClick={() => finish(false)}>
          <X />
          {t("Reject")}
        </Button>
      </div>
    </section>
  );
}

const WHAT: Record<string, string> = {
  "add node": "new node",
  "change node": "changed node",
  "remove node": "removed node",
  "add connection": "new connection",
  "remove connection": "removed connection",
  "add workflow": "new setting",
  "change workflow": "changed setting",
  "remove workflow": "removed setting",
};
