/** CodeMirror for one parameter: text with {{ expressions }}, JSON, or code. Comes when the first field is shown. */
import {
  autocompletion,
  type CompletionContext,
  completionKeymap,
  startCompletion,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import { bracketMatching, HighlightStyle, StreamLanguage, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, type Extension, Prec } from "@codemirror/state";
import {
  Decoration,
  type DecorationSet,
  EditorView,
  keymap,
  lineNumbers,
  placeholder,
  ViewPlugin,
  type ViewUpdate,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useRef } from "react";
import { complete, type Reach } from "./complete";

export interface CodeFieldProps {
  id?: string;
  value: string;
  onChange(value: string): void;
  language: "template" | "json" | "code";
  multiline: boolean;
  label: string;
  hint?: string;
  wrong?: boolean;
  readOnly?: boolean;
  reach?: () => Reach;
}

const mark = {
  brace: Decoration.mark({ class: "cm-brace" }),
  expression: Decoration.mark({ class: "cm-expression" }),
  word: Decoration.mark({ class: "cm-word" }),
  text: Decoration.mark({ class: "cm-text" }),
  number: Decoration.mark({ class: "cm-number" }),
  call: Decoration.mark({ class: "cm-call" }),
};
const TOKEN =
  /("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|\b(\d+(?:\.\d+)?)\b|(\$?[A-Za-z_]\w*)(?=\s*\()|(?<!\.)\b(json|node|item|items|vars|execution|workflow|run|now|true|false|null|in)\b/g;

/** Colours what stands between {{ and }}. */
function expressions(view: EditorView): DecorationSet {
  const made: { from: number; to: number; value: Decoration }[] = [];
  const text = view.state.doc.toString();
  for (const found of text.matchAll(/\{\{([\s\S]*?)\}\}/g)) {
    const from = found.index;
    const to = from + found[0].length;
    made.push({ from, to, value: mark.expression });
    made.push({ from, to: from + 2, value: mark.brace }, { from: to - 2, to, value: mark.brace });
    for (const token of (found[1] ?? "").matchAll(TOKEN)) {
      const at = from + 2 + token.index;
      const kind = token[1] ? mark.text : token[2] ? mark.number : token[3] ? mark.call : mark.word;
      made.push({ from: at, to: at + token[0].length, value: kind });
    }
  }
  return Decoration.set(
    made.map((each) => each.value.range(each.from, each.to)),
    true,
  );
}

const highlighter = ViewPlugin.fromClass(
  class {
    decorations: DecorationSet;
    constructor(view: EditorView) {
      this.decorations = expressions(view);
    }
    update(update: ViewUpdate) {
      if (update.docChanged) this.decorations = expressions(update.view);
    }
  },
  { decorations: (plugin) => plugin.decorations },
);

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.bool, tags.null], color: "var(--fam-ai_agent)" },
  { tag: [tags.string], color: "var(--green)" },
  { tag: [tags.number], color: "var(--amber)" },
  { tag: [tags.propertyName, tags.definition(tags.variableName)], color: "var(--blue)" },
  { tag: [tags.comment], color: "var(--text-muted)" },
]);

/** Python and JavaScript share enough to be coloured alike. */
const script = StreamLanguage.define<{ block: string }>({
  startState: () => ({ block: "" }),
  token(stream, state) {
    if (state.block) {
      if (stream.match(state.block)) state.block = "";
      else stream.next();
      return "string";
    }
    if (stream.eatSpace()) return null;
    const triple = stream.match(/^("""|''')/) as RegExpMatchArray | null;
    if (triple) {
      state.block = triple[0];
      return "string";
    }
    if (stream.match(/^(#|\/\/).*/)) return "comment";
    if (stream.match(/^("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|`(?:[^`\\]|\\.)*`?)/)) return "string";
    if (stream.match(/^\d+(\.\d+)?/)) return "number";
    if (
      stream.match(
        /^(def|return|if|elif|else|for|while|in|not|and|or|import|from|lambda|None|True|False|try|except|raise|with|as|const|let|var|function|async|await|new|null|true|false|of|throw|catch|class|SELECT|FROM|WHERE|INSERT|UPDATE|DELETE|INTO|VALUES|AND|OR|ORDER|BY|LIMIT)\b/,
      )
    )
      return "keyword";
    if (stream.match(/^[A-Za-z_]\w*/)) return "variableName";
    stream.next();
    return null;
  },
});

function suggestions(reach: () => Reach) {
  return (context: CompletionContext) => {
    const found = complete(context.state.doc.toString(), context.pos, reach());
    if (
      !found ||
      (found.from === context.pos &&
        !context.explicit &&
        !/[.{\s(["']/.test(context.state.sliceDoc(context.pos - 1, context.pos)))
    )
      return null;
    return {
      from: found.from,
      options: found.options.map((option) => ({
        label: option.label,
        apply: option.insert ?? option.label,
        type: option.kind,
        ...(option.detail ? { detail: option.detail } : {}),
        ...(option.info ? { info: option.info } : {}),
      })),
      validFor: /^[\w$?]*$/,
    };
  };
}

const look = EditorView.theme({
  "&": { fontSize: "12.5px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
});

export default function CodeField(props: CodeFieldProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView>(undefined);
  const latest = useRef(props);
  latest.current = props;
  const locked = useRef(new Compartment());

  // biome-ignore lint/correctness/useExhaustiveDependencies: built once for each kind of field; the rest reaches it by `latest`
  useEffect(() => {
    if (!host.current) return;
    const { language, multiline, label, id, hint } = latest.current;
    const extensions: Extension[] = [
      history(),
      keymap.of([...completionKeymap, ...historyKeymap, ...defaultKeymap]),
      EditorView.contentAttributes.of({
        "aria-label": label,
        ...(id ? { id } : {}),
        ...(multiline ? { "aria-multiline": "true" } : {}),
      }),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) latest.current.onChange(update.state.doc.toString());
      }),
      look,
      bracketMatching(),
      locked.current.of(EditorState.readOnly.of(latest.current.readOnly ?? false)),
      syntaxHighlighting(colours),
    ];
    if (hint) extensions.push(placeholder(hint));
    if (multiline) extensions.push(EditorView.lineWrapping);
    else
      extensions.push(EditorState.transactionFilter.of((change) => (change.newDoc.lines > 1 ? [] : change)));
    if (language === "json") extensions.push(json());
    if (language === "code") extensions.push(script, lineNumbers(), keymap.of([indentWithTab]));
    if (language !== "code") {
      extensions.push(
        highlighter,
        autocompletion({
          override: [suggestions(() => latest.current.reach?.() ?? { json: undefined, nodes: [], vars: {} })],
          icons: false,
          activateOnTyping: true,
        }),
        // Two braces open an expression, with its end and its suggestions.
        Prec.high(
          EditorView.inputHandler.of((target, from, to, text) => {
            if (text !== "{" || target.state.sliceDoc(from - 1, from) !== "{") return false;
            target.dispatch({ changes: { from, to, insert: "{  }}" }, selection: { anchor: from + 2 } });
            startCompletion(target);
            return true;
          }),
        ),
      );
    }
    const made = new EditorView({
      parent: host.current,
      state: EditorState.create({ doc: latest.current.value, extensions }),
    });
    view.current = made;
    return () => made.destroy();
  }, [props.language, props.multiline, props.label]);

  useEffect(() => {
    const at = view.current;
    if (at && at.state.doc.toString() !== props.value && !at.hasFocus)
      at.dispatch({ changes: { from: 0, to: at.state.doc.length, insert: props.value } });
  }, [props.value]);

  useEffect(() => {
    view.current?.dispatch({
      effects: locked.current.reconfigure(EditorState.readOnly.of(props.readOnly ?? false)),
    });
  }, [props.readOnly]);

  return (
    <div
      ref={host}
      className={`code lang-${props.language}${props.multiline ? " tall" : ""}${props.wrong ? " wrong" : ""}`}
    />
  );
}
