/** All workflows. */
import { Copy, Download, FileUp, MoreHorizontal, Plus, Search, Sparkles, Trash2 } from "lucide-react";
import { lazy, Suspense, useDeferredValue, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { type WorkflowJson, workflows } from "~/api/contract";
import { useCall, useChange } from "~/api/hooks";
import { call } from "~/api/transport";
import { useWords } from "~/i18n";
import {
  Badge,
  Button,
  DeleteDialog,
  Dialog,
  Empty,
  Field,
  Input,
  Loading,
  Menu,
  messageOf,
  Problem,
  toast,
} from "~/ui";
import { FirstWorkflow } from "./FirstWorkflow";
import { ago, moment } from "./format";
import { OwnerField, useProjects } from "./owner";

const GenerateDialog = lazy(() =>
  import("./GenerateDialog").then((module) => ({ default: module.GenerateDialog })),
);

export function WorkflowsPage() {
  const { t, language } = useWords();
  const [, go] = useLocation();
  const [query, setQuery] = useState("");
  const [creating, setCreating] = useState(false);
  const [generating, setGenerating] = useState(false);
  const [deleting, setDeleting] = useState<WorkflowJson | undefined>();
  const file = useRef<HTMLInputElement>(null);
  const [count, setCount] = useState(50);
  const wanted = useDeferredValue(query);
  const list = useCall(workflows.listWorkflows, { query: wanted, limit: count }, { keep: true });
  const found = list.data?.workflows ?? [];
  const shared = new Map(useProjects().map((each) => [each.id, each.name]));
  const isNew = list.data !== undefined && found.length === 0 && wanted === "";
  const create = useChange(workflows.createWorkflow, ["ListWorkflows"], {
    done: (answer) => go(`/workflows/${answer.workflow?.id}`),
  });
  const remove = useChange(workflows.deleteWorkflow, ["ListWorkflows"], {
    done: () => setDeleting(undefined),
  });

  const bringIn = async (content: string) => {
    try {
      const looksLikeN8n = /"n8n-nodes|"typeVersion"/.test(content);
      const answer = await call(workflows.importWorkflow, {
        content,
        format: looksLikeN8n ? "WORKFLOW_FORMAT_N8N" : "WORKFLOW_FORMAT_YAML",
      });
      const remarks = answer.report?.length ?? 0;
      if (remarks)
        toast(
          "amber",
          t(remarks === 1 ? "Imported with {count} remark" : "Imported with {count} remarks", {
            count: remarks,
          }),
          {
            text: t.say(answer.report?.[0]?.message ?? ""),
          },
        );
      go(`/workflows/${answer.workflow?.id}`);
    } catch (error) {
      toast("red", t("This could not be imported."), { text: messageOf(error, t) });
    }
  };
  const duplicate = async (id: string) => {
    const { workflow } = await call(workflows.getWorkflow, { workflowId: id });
    create.mutate({
      name: t("{name} copy", { name: workflow?.name ?? "" }),
      workflow: { ...workflow, id: "" },
    });
  };
  const exported = async (workflow: WorkflowJson) => {
    const { content } = await call(workflows.exportWorkflow, {
      workflowId: workflow.id ?? "",
      format: "WORKFLOW_FORMAT_YAML",
    });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content ?? ""], { type: "application/yaml" }));
    link.download = `${workflow.name}.yaml`;
    link.click();
    URL.revokeObjectURL(link.href);
  };

  return (
    <div className="page">
      <header className="pagehead">
        <h1>{t("Workflows")}</h1>
        <div className="row">
          <input
            ref={file}
            type="file"
            accept=".json,.yaml,.yml"
            hidden
            aria-label={t("Import")}
            onChange={(event) => {
              const chosen = event.target.files?.[0];
              if (chosen) void chosen.text().then(bringIn);
              event.target.value = "";
            }}
          />
          <Button className="hide-small" onClick={() => file.current?.click()}>
            <FileUp />
            {t("Import")}
          </Button>
          <Button onClick={() => setGenerating(true)}>
            <Sparkles />
            {t("Describe")}
          </Button>
          <Button look="primary" onClick={() => setCreating(true)}>
            <Plus />
            {t("New workflow")}
          </Button>
        </div>
      </header>
      <div className="toolbar" hidden={isNew}>
        <div className="searchfield">
          <Search aria-hidden />
          <Input
            type="search"
            placeholder={t("Search workflows…")}
            aria-label={t("Search workflows…")}
            value={query}
            onChange={(event) => setQuery(event.target.value)}
          />
        </div>
      </div>
      {isNew ? (
        <FirstWorkflow
          onTemplate={() => go("/templates")}
          onDraw={() => setCreating(true)}
          onDescribe={() => setGenerating(true)}
          onImport={() => file.current?.click()}
        />
      ) : null}
      <div className="card listcard" hidden={isNew}>
        {list.isPending ? <Loading /> : null}
        {list.error ? (
          <div style={{ padding: 16 }}>
            <Problem error={list.error} retry={() => void list.refetch()} />
          </div>
        ) : null}
        {list.data && found.length === 0 ? (
          <Empty icon={Search} title={t("Nothing found")}>
            {t("No workflow has this in its name or description.")}
          </Empty>
        ) : null}
        {found.length > 0 ? (
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{t("Name")}</th>
                <th scope="col">{t("Status")}</th>
                <th scope="col" className="hide-small">
                  {t("Changed")}
                </th>
                <th scope="col">
                  <span className="sr">{t("Actions")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {found.map((workflow) => (
                <tr key={workflow.id} className="covered">
                  <td className="main">
                    <div className="row" style={{ gap: 6 }}>
                      <Link
                        href={`/workflows/${workflow.id}`}
                        className="cover clip"
                        title={workflow.name ?? ""}
                      >
                        {workflow.name}
                      </Link>
                      {shared.has(workflow.userId) ? (
                        <Badge tone="blue">{shared.get(workflow.userId)}</Badge>
                      ) : null}
                      {(workflow.tags ?? []).map((tag) => (
                        <Badge key={tag}>{tag}</Badge>
                      ))}
                    </div>
                    {workflow.description ? (
                      <div className="soft small clip" title={workflow.description}>
                        {workflow.description}
                      </div>
                    ) : null}
                  </td>
                  <td>
                    {workflow.active ? (
                      <Badge tone="green" dot>
                        {t("Live v{version}", { version: workflow.publishedVersion ?? 0 })}
                      </Badge>
                    ) : (
                      <Badge>{t("Draft")}</Badge>
                    )}
                  </td>
                  <td className="when hide-small" title={moment(workflow.updatedAt, language)}>
                    {ago(workflow.updatedAt, language)}
                  </td>
                  <td className="num">
                    <span className="over">
                      <Menu
                        items={[
                          {
                            label: t("Duplicate"),
                            icon: Copy,
                            onSelect: () => void duplicate(workflow.id ?? ""),
                          },
                          { label: t("Export"), icon: Download, onSelect: () => void exported(workflow) },
                          "line",
                          {
                            label: t("Delete"),
                            icon: Trash2,
                            danger: true,
                            onSelect: () => setDeleting(workflow),
                          },
                        ]}
                      >
                        <button
                          type="button"
                          className="button ghost small icon"
                          aria-label={t("Actions for {name}", { name: workflow.name ?? "" })}
                        >
                          <MoreHorizontal />
                        </button>
                      </Menu>
                    </span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        ) : null}
        {list.data?.nextPageToken ? (
          <div className="row" style={{ justifyContent: "center", padding: 10 }}>
            <Button small look="ghost" onClick={() => setCount(count + 50)}>
              {t("Show more")}
            </Button>
          </div>
        ) : null}
      </div>
      <CreateDialog
        open={creating}
        onClose={() => setCreating(false)}
        busy={create.isPending}
        onCreate={(name, userId) => create.mutate({ name, userId })}
      />
      {generating ? (
        <Suspense>
          <GenerateDialog onClose={() => setGenerating(false)} />
        </Suspense>
      ) : null}
      <DeleteDialog
        name={deleting && (deleting.name ?? "")}
        hint={t(
          "Executions that run go on, and their history stays. The drawing and its versions are gone for good.",
        )}
        busy={remove.isPending}
        onClose={() => setDeleting(undefined)}
        onDelete={() => deleting && remove.mutate({ workflowId: deleting.id ?? "" })}
      />
    </div>
  );
}

function CreateDialog({
  open,
  onClose,
  onCreate,
  busy,
}: {
  open: boolean;
  onClose(): void;
  onCreate(name: string, owner: string): void;
  busy: boolean;
}) {
  const { t } = useWords();
  const [name, setName] = useState("");
  const [owner, setOwner] = useState("");
  return (
    <Dialog open={open} onClose={onClose} title={t("New workflow")}>
      <form
        className="col"
        style={{ gap: 16 }}
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim()) onCreate(name.trim(), owner);
        }}
      >
        <Field label={t("Name")} required>
          {(id) => (
            <Input
              id={id}
              value={name}
              maxLength={255}
              required
              placeholder={t("For example: Weather alert")}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <OwnerField owner={owner} onChange={setOwner} />
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button look="primary" type="submit" busy={busy} disabled={!name.trim()}>
            {t("Create")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
