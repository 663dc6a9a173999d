/** Who shares what: projects and their members. */
import { Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { admin, auth, type ProjectJson, type UserJson } from "~/api/contract";
import { useCall, useChange } from "~/api/hooks";
import { useWords } from "~/i18n";
import { Button, DeleteDialog, Dialog, Field, Input, Problem } from "~/ui";

export function Projects() {
  const { t } = useWords();
  const list = useCall(auth.listProjects, {});
  const people = useCall(admin.listUsers, { limit: 500 }).data?.users ?? [];
  const [editing, setEditing] = useState<ProjectJson>();
  const [deleting, setDeleting] = useState<ProjectJson>();
  const remove = useChange(admin.deleteProject, ["ListProjects"], { done: () => setDeleting(undefined) });
  const found = list.data?.projects ?? [];
  const named = new Map(people.map((each) => [each.id, each.name || each.email]));
  return (
    <section>
      <div className="row between">
        <h2>{t("Projects")}</h2>
        <Button look="primary" onClick={() => setEditing({})}>
          <Plus />
          {t("New project")}
        </Button>
      </div>
      <p className="soft small">
        {t("What belongs to a project, workflows and credentials above all, its members see and change.")}
      </p>
      {list.error ? <Problem error={list.error} /> : null}
      {found.length > 0 ? (
        <div className="card listcard scroll">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{t("Name")}</th>
                <th scope="col">{t("Members")}</th>
                <th scope="col">
                  <span className="sr">{t("Actions")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {found.map((each) => (
                <tr key={each.id}>
                  <td>
                    <div className="strong">{each.name}</div>
                    <div className="soft small">{each.description}</div>
                  </td>
                  <td className="soft">
                    {(each.userIds ?? []).map((id) => named.get(id) ?? id).join(", ") || t("nobody")}
                  </td>
                  <td className="num">
                    <Button
                      small
                      icon
                      look="ghost"
                      label={t("Edit {name}", { name: each.name ?? "" })}
                      onClick={() => setEditing(each)}
                    >
                      <Pencil />
                    </Button>
                    <Button
                      small
                      icon
                      look="ghost"
                      label={t("Delete {name}?", { name: each.name ?? "" })}
                      onClick={() => setDeleting(each)}
                    >
                      <Trash2 />
                    </Button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {editing ? (
        <ProjectDialog project={editing} people={people} onClose={() => setEditing(undefined)} />
      ) : null}
      <DeleteDialog
        name={deleting && (deleting.name ?? "")}
        hint={t("What it owns stays, and only admins see it then.")}
        busy={remove.isPending}
        onClose={() => setDeleting(undefined)}
        onDelete={() => deleting && remove.mutate({ projectId: deleting.id ?? "" })}
      />
    </section>
  );
}

function ProjectDialog({
  project,
  people,
  onClose,
}: {
  /** Without an id, a new one. */
  project: ProjectJson;
  people: UserJson[];
  onClose(): void;
}) {
  const { t } = useWords();
  const [name, setName] = useState(project.name ?? "");
  const [description, setDescription] = useState(project.description ?? "");
  const before = project.userIds ?? [];
  const [members, setMembers] = useState(before);
  const options = { quiet: true, done: onClose };
  const create = useChange(admin.createProject, ["ListProjects"], options);
  const update = useChange(admin.updateProject, ["ListProjects"], options);
  const error = create.error ?? update.error;
  const save = () =>
    project.id
      ? update.mutate({
          projectId: project.id,
          name,
          description,
          addUserIds: members.filter((id) => !before.includes(id)),
          removeUserIds: before.filter((id) => !members.includes(id)),
        })
      : create.mutate({ name, description, userIds: members });
  return (
    <Dialog open onClose={onClose} title={project.id ? t("Edit project") : t("New project")}>
      <form
        className="col"
        style={{ gap: 16 }}
        onSubmit={(event) => {
          event.preventDefault();
          save();
        }}
      >
        <Field label={t("Name")} required>
          {(id) => (
            <Input
              id={id}
              required
              maxLength={255}
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label={t("Description")}>
          {(id) => (
            <Input id={id} value={description} onChange={(event) => setDescription(event.target.value)} />
          )}
        </Field>
        <fieldset className="field">
          <legend className="label">{t("Members")}</legend>
          {people.map(({ id = "", name, email }) => (
            <label key={id} className="row">
              <input
                type="checkbox"
                checked={members.includes(id)}
                onChange={(event) =>
                  setMembers(event.target.checked ? [...members, id] : members.filter((one) => one !== id))
                }
              />
              {name || email}
            </label>
          ))}
        </fieldset>
        {error ? <Problem error={error} /> : null}
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button
            look="primary"
            type="submit"
            busy={create.isPending || update.isPending}
            disabled={!name.trim()}
          >
            {t("Save")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
