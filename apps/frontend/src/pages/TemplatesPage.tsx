/** Workflows to start from. They are the files that the engine's own tests carry out. */
import { ArrowRight, LayoutTemplate, Search } from "lucide-react";
import { Fragment, useMemo, useState } from "react";
import { useLocation } from "wouter";
import type { ConnectionJson, NodeJson } from "~/api/contract";
import { workflows } from "~/api/contract";
import { useChange } from "~/api/hooks";
import { NodeIcon } from "~/editor/looks";
import { labelOf } from "~/forms/schema";
import { useT } from "~/i18n";
import { Badge, Button, Dialog, Empty, Field, Input, Problem } from "~/ui";
import { NodeList } from "./NodeList";
import "./pages.css";

export interface Template {
  name: string;
  description: string;
  tags: string[];
  nodes: NodeJson[];
  connections: ConnectionJson[];
  vars?: Record<string, unknown>;
}

const FILES = import.meta.glob<Template>("../../../backend/workflow_engine/examples/templates/*.json", {
  eager: true,
  import: "default",
});

const ALL = Object.values(FILES).sort((a, b) => a.name.localeCompare(b.name));

export default function TemplatesPage() {
  const t = useT();
  const [query, setQuery] = useState("");
  const [tag, setTag] = useState("");
  const [open, setOpen] = useState<Template>();
  const tags = useMemo(() => [...new Set(ALL.flatMap((each) => each.tags))].sort(), []);
  const wanted = query.toLowerCase();
  const shown = ALL.filter(
    (each) =>
      (!tag || each.tags.includes(tag)) &&
      [each.name, each.description, t(each.name), t(each.description)].some((text) =>
        text.toLowerCase().includes(wanted),
      ),
  );
  return (
    <div className="page">
      <header className="pagehead">
        <div>
          <h1>{t("Templates")}</h1>
          <p>{t("Take one, fill in your addresses, run it.")}</p>
        </div>
      </header>
      <div className="toolbar">
        <div className="searchfield">
          <Search aria-hidden />
          <Input
            type="search"
            aria-label={t("Search templates…")}
            placeholder={t("Search templates…")}
            value={query}
            onChange={(event) => setQuery(event.target.value)}
          />
        </div>
        {tags.map((each) => (
          <Button key={each} small on={tag === each} onClick={() => setTag(tag === each ? "" : each)}>
            {t(each)}
          </Button>
        ))}
      </div>
      {shown.length === 0 ? <Empty icon={LayoutTemplate} title={t("Nothing found")} /> : null}
      <div className="gallery">
        {shown.map((each) => (
          <button key={each.name} type="button" className="card template" onClick={() => setOpen(each)}>
            <Path nodes={each.nodes} />
            <h2>{t(each.name)}</h2>
            <p>{t(each.description)}</p>
            <span className="row wrap">
              {each.tags.map((one) => (
                <Badge key={one}>{t(one)}</Badge>
              ))}
            </span>
          </button>
        ))}
      </div>
      {open ? <TemplateDialog template={open} onClose={() => setOpen(undefined)} /> : null}
    </div>
  );
}

/** What a template does, and what it has to be told before it can do so. */
function TemplateDialog({ template, onClose }: { template: Template; onClose(): void }) {
  const t = useT();
  const [, go] = useLocation();
  const [vars, setVars] = useState(template.vars ?? {});
  const take = useChange(workflows.importWorkflow, ["ListWorkflows"], {
    quiet: true,
    done: (answer) => go(`/workflows/${answer.workflow?.id}`),
  });
  const asked = Object.entries(template.vars ?? {}).filter(([, value]) => typeof value !== "object");
  return (
    <Dialog
      open
      onClose={onClose}
      title={t(template.name)}
      hint={t(template.description)}
      footer={
        <>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button
            look="primary"
            busy={take.isPending}
            onClick={() =>
              take.mutate({
                content: JSON.stringify({
                  ...template,
                  name: t(template.name),
                  description: t(template.description),
                  ...(template.vars ? { vars } : {}),
                }),
                format: "WORKFLOW_FORMAT_JSON",
              })
            }
          >
            {t("Use this template")}
          </Button>
        </>
      }
    >
      <NodeList nodes={template.nodes} />
      {asked.length > 0 ? (
        <p className="soft small">{t("Its constants; they can be changed later.")}</p>
      ) : null}
      {asked.map(([name, first]) => (
        <Field
          key={name}
          label={labelOf(name)}
          beside={name.includes("_") ? <code className="soft small">{name}</code> : null}
        >
          {(id) => (
            <Input
              id={id}
              type={typeof first === "number" ? "number" : "text"}
              step="any"
              value={String(vars[name])}
              onChange={(event) =>
                setVars({
                  ...vars,
                  [name]: typeof first === "number" ? Number(event.target.value) : event.target.value,
                })
              }
            />
          )}
        </Field>
      ))}
      {take.error ? <Problem error={take.error} /> : null}
    </Dialog>
  );
}

/** The kinds of nodes on the way, in the order of the drawing. */
function Path({ nodes }: { nodes: NodeJson[] }) {
  const types = [...new Set(nodes.map((node) => node.type ?? ""))].slice(0, 6);
  return (
    <span className="icons" aria-hidden>
      {types.map((type, index) => (
        <Fragment key={type}>
          {index > 0 ? <ArrowRight size={12} /> : null}
          <NodeIcon type={type} small />
        </Fragment>
      ))}
    </span>
  );
}
