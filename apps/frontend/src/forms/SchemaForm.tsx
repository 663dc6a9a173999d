/** A form from a JSON Schema. Every field may hold an expression instead of a value. */
import { ChevronRight } from "lucide-react";
import { use, useId, useState } from "react";
import { useT } from "~/i18n";
import { Field, Input, Select, Switch, Textarea } from "~/ui";
import { Form, type FormContext } from "./context";
import { List, Mapping } from "./Entries";
import { Help } from "./Help";
import {
  asRecord,
  blank,
  constOf,
  defaultOf,
  type Field as FieldSpec,
  fieldsOf,
  isExpression,
  type Kind,
  kindOf,
  labelOf,
  readAny,
  type Schema,
  type Values,
  variantIndex,
  writeAny,
} from "./schema";
import { Text } from "./Text";
import "./forms.css";

interface Props {
  schema: Schema;
  value: Values;
  onChange(value: Values, path: string): void;
  context?: Partial<FormContext>;
}

export function SchemaForm({ schema, value, onChange, context = {} }: Props) {
  const whole: FormContext = { readOnly: false, expressions: false, ...context, root: schema };
  return (
    <Form value={whole}>
      <div className="form">
        <Fields fields={fieldsOf(schema, schema)} value={value} onChange={onChange} path="" />
      </div>
    </Form>
  );
}

function Fields({
  fields,
  value,
  onChange,
  path,
  hidden,
}: {
  fields: FieldSpec[];
  value: Values;
  onChange(value: Values, path: string): void;
  path: string;
  hidden?: string;
}) {
  const t = useT();
  const { root, wrong } = use(Form);
  const [open, setOpen] = useState(false);
  const shown = fields.filter((field) => field.name !== hidden);
  const isMain = (field: FieldSpec, index: number) =>
    field.required ||
    value[field.name] !== undefined ||
    wrong?.(join(path, field.name)) !== undefined ||
    index < 4 ||
    shown.length <= 6;
  const main = shown.filter(isMain);
  const more = shown.filter((field, index) => !isMain(field, index));
  const set = (name: string, next: unknown) => {
    const made = { ...value };
    if (next === undefined) delete made[name];
    else made[name] = next;
    onChange(made, join(path, name));
  };
  const one = (field: FieldSpec) => (
    <ValueField
      key={field.name}
      spec={field}
      value={value[field.name]}
      fallback={defaultOf(field.schema, root)}
      onChange={(next) => set(field.name, next)}
      path={join(path, field.name)}
    />
  );
  return (
    <>
      {main.map(one)}
      {more.length > 0 ? (
        <button type="button" className="moreless" aria-expanded={open} onClick={() => setOpen(!open)}>
          <ChevronRight />
          {open ? t("Fewer options") : t("{count} more options", { count: more.length })}
        </button>
      ) : null}
      {open ? more.map(one) : null}
    </>
  );
}

function join(path: string, name: string): string {
  return path ? `${path}.${name}` : name;
}

interface ValueProps {
  spec: FieldSpec;
  value: unknown;
  fallback: unknown;
  onChange(value: unknown): void;
  path: string;
}

function ValueField({ spec, value, fallback, onChange, path }: ValueProps) {
  const t = useT();
  const { root, expressions, wrong, readOnly, preview } = use(Form);
  const kind = kindOf(spec.schema, root, spec.name);
  const takesText = kind.kind === "text" || kind.kind === "any";
  // A yes or no that is neither by default is meant to be worked out.
  const isCondition = kind.kind === "flag" && fallback === null && typeof value !== "boolean";
  const [writing, setWriting] = useState((isExpression(value) && !takesText) || (expressions && isCondition));
  const canExpress = expressions && !takesText && !(kind.kind === "choice" && kind.options.length === 1);
  const isLong =
    kind.kind === "record" || kind.kind === "list" || kind.kind === "map" || kind.kind === "variants";
  const fx = canExpress ? (
    <button
      type="button"
      className="fx"
      aria-pressed={writing}
      aria-label={`fx: ${t("Expression for {name}", { name: spec.label })}`}
      title={writing ? t("Back to a fixed value") : t("Write an expression")}
      disabled={readOnly}
      onClick={() => {
        setWriting(!writing);
        onChange(writing ? undefined : isExpression(value) ? value : "{{  }}");
      }}
    >
      fx
    </button>
  ) : null;
  const help = <Help text={spec.help} />;
  return (
    <Field
      label={spec.label}
      required={spec.required}
      wrong={wrong?.(path)}
      beside={fx}
      hint={isLong && !spec.help ? undefined : help}
    >
      {(id) => (
        <>
          {writing ? (
            <Text
              id={id}
              value={String(value ?? "")}
              onChange={onChange}
              multiline={false}
              label={spec.label}
            />
          ) : (
            <Value
              id={id}
              kind={kind}
              label={spec.label}
              value={value}
              fallback={fallback}
              onChange={onChange}
              path={path}
            />
          )}
          {expressions && isExpression(value) && !(kind.kind === "text" && kind.literal)
            ? preview?.(value)
            : null}
        </>
      )}
    </Field>
  );
}

/** Formats for which the browser has a field of its own. */
const INPUTS: Record<string, string> = { date: "date", email: "email", uri: "url" };

function Value({
  id,
  kind,
  label,
  value,
  fallback,
  onChange,
  path,
}: {
  id: string;
  kind: Kind;
  label: string;
  value: unknown;
  fallback: unknown;
  onChange(value: unknown): void;
  path: string;
}) {
  const t = useT();
  const { root, readOnly, expressions } = use(Form);
  const now = value === undefined ? fallback : value;
  switch (kind.kind) {
    case "text":
      // A key in PEM has lines, which an input would join.
      if (kind.secret && kind.multiline)
        return (
          <Textarea
            id={id}
            className="secret"
            rows={4}
            spellCheck={false}
            autoComplete="off"
            value={String(value ?? "")}
            readOnly={readOnly}
            onChange={(event) => onChange(event.target.value || undefined)}
          />
        );
      if (kind.secret || (!expressions && !kind.multiline))
        return (
          <Input
            id={id}
            type={kind.secret ? "password" : (INPUTS[kind.format] ?? "text")}
            autoComplete={kind.secret ? "new-password" : "off"}
            value={String(value ?? "")}
            placeholder={fallback ? String(fallback) : ""}
            readOnly={readOnly}
            onChange={(event) => onChange(event.target.value || undefined)}
          />
        );
      return (
        <Text
          id={id}
          value={value === undefined || value === null ? "" : String(value)}
          onChange={(next) => onChange(next === "" ? undefined : next)}
          multiline={kind.multiline}
          literal={kind.literal}
          label={label}
          hint={fallback ? String(fallback) : ""}
        />
      );
    case "number":
      return (
        <Input
          id={id}
          type="number"
          value={value === undefined || value === null ? "" : String(value)}
          placeholder={fallback === undefined || fallback === null ? "" : String(fallback)}
          min={kind.min}
          max={kind.max}
          step={kind.integer ? 1 : "any"}
          readOnly={readOnly}
          onChange={(event) => onChange(event.target.value === "" ? undefined : Number(event.target.value))}
        />
      );
    case "flag":
      return <Switch id={id} checked={now === true} onChange={onChange} disabled={readOnly} />;
    case "choice":
      return (
        <Select
          id={id}
          value={now === undefined || now === null ? "" : String(now)}
          disabled={readOnly}
          onChange={(event) =>
            onChange(kind.options.find((option) => String(option) === event.target.value) ?? undefined)
          }
          options={[
            ...(now === undefined || now === null ? [{ value: "", label: t("Choose…") }] : []),
            ...kind.options.map((option) => ({
              value: String(option),
              label: kind.labels[String(option)] ?? labelOf(String(option)),
            })),
          ]}
        />
      );
    case "record":
      return (
        <div className="group" id={id}>
          <Fields
            fields={kind.fields}
            value={asRecord(now)}
            onChange={(next) => onChange(next)}
            path={path}
          />
        </div>
      );
    case "list":
      return (
        <List
          id={id}
          item={kind.item}
          label={label}
          value={Array.isArray(now) ? now : []}
          onChange={onChange}
        >
          {(entry, at, replace) => {
            const of = kindOf(kind.item, root);
            return of.kind === "record" ? (
              <Fields fields={of.fields} value={asRecord(entry)} onChange={replace} path={`${path}[${at}]`} />
            ) : (
              <Element
                label={`${label} ${at + 1}`}
                schema={kind.item}
                value={entry}
                onChange={(next) => replace(next ?? "")}
                path={`${path}[${at}]`}
              />
            );
          }}
        </List>
      );
    case "map":
      return (
        <Mapping id={id} label={label} value={asRecord(now)} onChange={onChange}>
          {(name, entry, said, replace) => (
            <Element
              label={said}
              schema={kind.value}
              value={entry}
              onChange={(next) => replace(next ?? "")}
              path={`${path}.${name}`}
            />
          )}
        </Mapping>
      );
    case "variants": {
      const index = variantIndex(kind, now);
      const chosen = kind.variants[index];
      return (
        <div className="col" style={{ gap: 10 }}>
          <Select
            id={id}
            value={String(index)}
            disabled={readOnly}
            onChange={(event) => {
              const next = kind.variants[Number(event.target.value)];
              if (next)
                onChange({
                  ...(blank(next.schema, root) as Values),
                  [kind.discriminator]: constOf(next.schema, kind.discriminator),
                });
            }}
            options={kind.variants.map((variant, at) => ({
              value: String(at),
              label: variant.label,
            }))}
          />
          {chosen && fieldsOf(chosen.schema, root).some((field) => field.name !== kind.discriminator) ? (
            <div className="group">
              <Fields
                key={index}
                fields={fieldsOf(chosen.schema, root)}
                hidden={kind.discriminator}
                value={asRecord(now)}
                onChange={(next) =>
                  onChange({ ...next, [kind.discriminator]: constOf(chosen.schema, kind.discriminator) })
                }
                path={path}
              />
            </div>
          ) : null}
        </div>
      );
    }
    case "any":
      return <Any id={id} value={value} onChange={onChange} label={label} />;
  }
}

/** A value of any kind, as JSON or text. What is typed stays as it is typed. */
function Any({
  id,
  value,
  onChange,
  label,
}: {
  id: string;
  value: unknown;
  onChange(value: unknown): void;
  label: string;
}) {
  const [text, setText] = useState(() => writeAny(value));
  const [seen, setSeen] = useState(value);
  if (value !== seen) {
    setSeen(value);
    if (JSON.stringify(readAny(text)) !== JSON.stringify(value)) setText(writeAny(value));
  }
  return (
    <Text
      id={id}
      value={text}
      onChange={(next) => {
        setText(next);
        const made = next === "" ? undefined : readAny(next);
        setSeen(made);
        onChange(made);
      }}
      multiline={text.includes("\n")}
      label={label}
    />
  );
}

function Element({
  label,
  schema,
  value,
  onChange,
  path,
}: {
  label: string;
  schema: Schema;
  value: unknown;
  onChange(value: unknown): void;
  path: string;
}) {
  const id = useId();
  const { root } = use(Form);
  return (
    <>
      <label className="sr" htmlFor={id}>
        {label}
      </label>
      <Value
        id={id}
        kind={kindOf(schema, root)}
        label={label}
        value={value}
        fallback={undefined}
        onChange={onChange}
        path={path}
      />
    </>
  );
}
