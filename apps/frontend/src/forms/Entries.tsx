/** Fields with any number of entries: a list, and a map from names to values. */
import { ArrowDown, ArrowUp, Plus, Trash2 } from "lucide-react";
import { type ReactNode, type RefObject, use, useEffect, useRef, useState } from "react";
import { useT } from "~/i18n";
import { Button, Input } from "~/ui";
import { Form } from "./context";
import { blank, kindOf, type Schema, type Values } from "./schema";

/** Whoever adds an entry goes on in its first field. */
function useGoOn(entries: number): { list: RefObject<HTMLDivElement | null>; goOn(): void } {
  const list = useRef<HTMLDivElement>(null);
  const isAdding = useRef(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another entry is what it waits for
  useEffect(() => {
    if (!isAdding.current) return;
    isAdding.current = false;
    const all = list.current?.querySelectorAll(":scope > .entry");
    const field = all?.[all.length - 1]?.querySelector<HTMLElement>(
      "input, select, textarea, [contenteditable]",
    );
    field?.focus();
  }, [entries]);
  return {
    list,
    goOn() {
      isAdding.current = true;
    },
  };
}

export function List({
  id,
  item,
  label,
  value,
  onChange,
  children,
}: {
  id: string;
  item: Schema;
  label: string;
  value: unknown[];
  onChange(value: unknown[]): void;
  /** The field of one entry. */
  children(entry: unknown, at: number, replace: (next: unknown) => void): ReactNode;
}) {
  const t = useT();
  const { root, readOnly } = use(Form);
  const { list, goOn } = useGoOn(value.length);
  const kind = kindOf(item, root);
  const isBig = kind.kind === "record" || kind.kind === "variants";
  const swap = (at: number, to: number) => {
    const made = [...value];
    const [taken] = made.splice(at, 1);
    made.splice(to, 0, taken);
    onChange(made);
  };
  return (
    <div className="col" id={id} ref={list}>
      {value.map((each, index) => (
        <div key={index} className={isBig ? "entry framed" : "entry"}>
          <div className="grow col" style={{ gap: 10 }}>
            {children(each, index, (next) => onChange(value.map((one, at) => (at === index ? next : one))))}
          </div>
          {readOnly ? null : (
            <div className="row" style={{ gap: 0, flexDirection: isBig ? "column" : "row" }}>
              {index > 0 ? (
                <Button look="ghost" small icon label={t("Move up")} onClick={() => swap(index, index - 1)}>
                  <ArrowUp />
                </Button>
              ) : null}
              {isBig && index < value.length - 1 ? (
                <Button look="ghost" small icon label={t("Move down")} onClick={() => swap(index, index + 1)}>
                  <ArrowDown />
                </Button>
              ) : null}
              <Button
                look="ghost"
                small
                icon
                label={t("Remove {name}", { name: `${label} ${index + 1}` })}
                onClick={() => onChange(value.filter((_, at) => at !== index))}
              >
                <Trash2 />
              </Button>
            </div>
          )}
        </div>
      ))}
      {readOnly ? null : (
        <div>
          <Button
            small
            onClick={() => {
              goOn();
              onChange([...value, blank(item, root)]);
            }}
            aria-label={t("Add to {name}", { name: label })}
          >
            <Plus />
            {t("Add")}
          </Button>
        </div>
      )}
    </div>
  );
}

export function Mapping({
  id,
  label,
  value,
  onChange,
  children,
}: {
  id: string;
  label: string;
  value: Values;
  onChange(value: Values): void;
  /** The field of one entry. */
  children(name: string, entry: unknown, label: string, replace: (next: unknown) => void): ReactNode;
}) {
  const t = useT();
  const { readOnly } = use(Form);
  const [rows, setRows] = useState<[string, unknown][]>(() => Object.entries(value));
  const { list, goOn } = useGoOn(rows.length);
  const signature = JSON.stringify(value);
  useEffect(() => {
    const given = JSON.parse(signature) as Values;
    setRows((before) => {
      const mine = Object.fromEntries(before.filter(([key]) => key !== ""));
      return JSON.stringify(sorted(mine)) === JSON.stringify(sorted(given)) ? before : Object.entries(given);
    });
  }, [signature]);
  const change = (next: [string, unknown][]) => {
    setRows(next);
    onChange(Object.fromEntries(next.filter(([key]) => key !== "")));
  };
  return (
    <div className="col" id={id} ref={list}>
      {rows.map(([key, each], index) => (
        <div key={index} className="entry">
          <Input
            aria-label={t("Name {count} of {name}", { count: index + 1, name: label })}
            placeholder={t("Name")}
            style={{ width: "38%" }}
            value={key}
            readOnly={readOnly}
            onChange={(event) =>
              change(rows.map((row, at) => (at === index ? [event.target.value, row[1]] : row)))
            }
          />
          <div className="grow">
            {children(
              key,
              each,
              key || t("Value {count} of {name}", { count: index + 1, name: label }),
              (next) => change(rows.map((row, at) => (at === index ? [row[0], next] : row))),
            )}
          </div>
          {readOnly ? null : (
            <Button
              look="ghost"
              small
              icon
              label={t("Remove {name}", { name: key })}
              onClick={() => change(rows.filter((_, at) => at !== index))}
            >
              <Trash2 />
            </Button>
          )}
        </div>
      ))}
      {readOnly ? null : (
        <div>
          <Button
            small
            onClick={() => {
              goOn();
              setRows([...rows, ["", ""]]);
            }}
            aria-label={t("Add to {name}", { name: label })}
          >
            <Plus />
            {t("Add")}
          </Button>
        </div>
      )}
    </div>
  );
}

function sorted(value: Values): [string, unknown][] {
  return Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
}
