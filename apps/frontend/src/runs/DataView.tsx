/** Items as a table, as JSON, as their schema, and the bytes that they refer to. */
import { Download, Eye, File, Inbox } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import type { BinaryRefJson, ItemJson } from "~/api/contract";
import { useT } from "~/i18n";
import { columns, type Shape, shapeOf, text } from "~/model/table";
import { bytes } from "~/pages/format";
import { Button, Empty, messageOf, Segments, toast } from "~/ui";
import { fetched, saved } from "./files";
import "./data.css";

type Look = "table" | "json" | "schema" | "binary";

const PAGE = 100;

export function DataView({
  items,
  title,
  actions,
  none,
  execution,
}: {
  items: ItemJson[] | undefined;
  title: string;
  actions?: ReactNode;
  none?: string;
  /** Where its files are. */
  execution?: string | undefined;
}) {
  const t = useT();
  const [look, setLook] = useState<Look>("table");
  const [shown, setShown] = useState(PAGE);
  const binaries = (items ?? []).flatMap((item, index) =>
    Object.entries(item.binary ?? {}).map(([slot, ref]) => ({ index, slot, ref })),
  );
  const looks: { value: Look; label: string }[] = [
    { value: "table", label: t("Table") },
    { value: "json", label: "JSON" },
    { value: "schema", label: t("Schema") },
    ...(binaries.length > 0 ? [{ value: "binary" as Look, label: t("Files") }] : []),
  ];
  const page = (items ?? []).slice(0, shown);
  return (
    <section className="data" aria-label={title}>
      <div className="datahead">
        <span className="strong">{title}</span>
        {items ? (
          <span className="soft small">
            {t(items.length === 1 ? "{count} item" : "{count} items", { count: items.length })}
          </span>
        ) : null}
        <span className="grow" />
        {actions}
        {items && items.length > 0 ? (
          <Segments<Look> options={looks} value={look} onChange={setLook} label={t("Show as")} />
        ) : null}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
      <div className="databody" tabIndex={0} role="group" aria-label={t("Data")}>
        {!items || items.length === 0 ? (
          <Empty icon={Inbox} title={items ? t("No items") : t("No data yet")}>
            {items ? "" : (none ?? t("Run the workflow to see what comes through here."))}
          </Empty>
        ) : look === "table" ? (
          <Table items={page} />
        ) : look === "json" ? (
          <pre className="json">
            <Json value={page.map((item) => item.json ?? {})} />
          </pre>
        ) : look === "schema" ? (
          <ul className="shape">
            {shapeOf(items.map((item) => item.json ?? {})).fields.map((field) => (
              <ShapeLine key={field.name} shape={field} />
            ))}
          </ul>
        ) : (
          <ul className="files">
            {binaries.map(({ index, slot, ref }) => (
              <FileRow
                key={`${index}${slot}`}
                number={index + 1}
                slot={slot}
                file={ref}
                execution={execution}
              />
            ))}
          </ul>
        )}
        {items && shown < items.length && (look === "table" || look === "json") ? (
          <div style={{ padding: 10 }}>
            <Button small onClick={() => setShown(shown + PAGE)}>
              {t("Show more")}
            </Button>
          </div>
        ) : null}
      </div>
    </section>
  );
}

function FileRow({
  number,
  slot,
  file,
  execution,
}: {
  number: number;
  slot: string;
  file: BinaryRefJson;
  execution: string | undefined;
}) {
  const t = useT();
  const [picture, setPicture] = useState("");
  useEffect(() => () => URL.revokeObjectURL(picture), [picture]);
  const name = file.fileName || slot;
  const get = async (use: (blob: Blob) => void) => {
    try {
      use(await fetched(execution ?? "", file));
    } catch (error) {
      toast("red", t("The file could not be fetched."), { text: messageOf(error, t) });
    }
  };
  return (
    <li>
      <div className="row">
        <File size={15} aria-hidden />
        <span className="soft">{number}</span>
        <span className="strong clip">{name}</span>
        <span className="soft small grow">
          {file.mediaType} · {bytes(file.sizeBytes)}
        </span>
        {execution && file.mediaType?.startsWith("image/") ? (
          <Button small onClick={() => void get((blob) => setPicture(URL.createObjectURL(blob)))}>
            <Eye />
            {t("Look")}
          </Button>
        ) : null}
        {execution ? (
          <Button small onClick={() => void get((blob) => saved(blob, name))}>
            <Download />
            {t("Download")}
          </Button>
        ) : null}
      </div>
      {picture ? <img src={picture} alt={name} /> : null}
    </li>
  );
}

function Table({ items }: { items: ItemJson[] }) {
  const t = useT();
  const names = columns(items);
  if (names.length === 0)
    return (
      <p className="soft small" style={{ padding: 12 }}>
        {t(items.length === 1 ? "One item without fields." : "Items without fields.")}
      </p>
    );
  return (
    <table className="datatable">
      <thead>
        <tr>
          <th scope="col">
            <span className="sr">{t("Number")}</span>
          </th>
          {names.map((name) => (
            <th key={name} scope="col">
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {items.map((item, index) => (
          <tr key={index}>
            <td className="nr">{index + 1}</td>
            {names.map((name) => {
              const value = (item.json as Record<string, unknown> | undefined)?.[name];
              return (
                <td key={name} title={text(value)} className={typeof value === "number" ? "num" : ""}>
                  {value === null ? <span className="null">null</span> : text(value).slice(0, 300)}
                </td>
              );
            })}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ShapeLine({ shape }: { shape: Shape }) {
  return (
    <li>
      <span className="line">
        <code className="strong">{shape.name}</code>
        <span className="soft">
          {shape.type}
          {shape.optional ? "?" : ""}
        </span>
        <span className="clip soft mono">{shape.example.slice(0, 60)}</span>
      </span>
      {shape.fields.length > 0 ? (
        <ul className="shape">
          {shape.fields.map((field) => (
            <ShapeLine key={field.name} shape={field} />
          ))}
        </ul>
      ) : null}
    </li>
  );
}

export function Json({ value, indent = 0 }: { value: unknown; indent?: number }): ReactNode {
  const pad = "  ".repeat(indent + 1);
  const end = "  ".repeat(indent);
  if (value === null) return <span className="b">null</span>;
  if (typeof value === "string") return <span className="s">{JSON.stringify(value)}</span>;
  if (typeof value === "number") return <span className="n">{String(value)}</span>;
  if (typeof value === "boolean") return <span className="b">{String(value)}</span>;
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]";
    return (
      <>
        {"[\n"}
        {value.map((each, index) => (
          <span key={index}>
            {pad}
            <Json value={each} indent={indent + 1} />
            {index < value.length - 1 ? ",\n" : "\n"}
          </span>
        ))}
        {`${end}]`}
      </>
    );
  }
  const entries = Object.entries(value as object);
  if (entries.length === 0) return "{}";
  return (
    <>
      {"{\n"}
      {entries.map(([key, each], index) => (
        <span key={key}>
          {pad}
          <span className="k">{JSON.stringify(key)}</span>
          {": "}
          <Json value={each} indent={indent + 1} />
          {index < entries.length - 1 ? ",\n" : "\n"}
        </span>
      ))}
      {`${end}}`}
    </>
  );
}
