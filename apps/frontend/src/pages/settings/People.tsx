/** Who may come in, and as what. */
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { admin, type RoleJson, type UserJson } from "~/api/contract";
import { useCall, useChange } from "~/api/hooks";
import { useSession } from "~/api/session";
import { useWords } from "~/i18n";
import { ago } from "~/pages/format";
import { Button, Dialog, Field, Input, Notice, Problem, Select, Switch } from "~/ui";
import { ROLES } from "./roles";

export function People() {
  const { t, language } = useWords();
  const { user, secured } = useSession();
  const list = useCall(admin.listUsers, { limit: 500 });
  const [making, setMaking] = useState(false);
  const update = useChange(admin.updateUser, ["ListUsers"]);
  const remove = useChange(admin.deleteUser, ["ListUsers"]);
  const found: UserJson[] = list.data?.users ?? [];
  return (
    <section>
      <div className="row between">
        <h2>{t("Users")}</h2>
        <Button look="primary" onClick={() => setMaking(true)}>
          <Plus />
          {t("New user")}
        </Button>
      </div>
      {secured ? null : (
        <Notice>{t("The first user is an admin; from then on everybody has to sign in.")}</Notice>
      )}
      {list.error ? <Problem error={list.error} /> : null}
      {found.length > 0 ? (
        <div className="card listcard scroll">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{t("Name")}</th>
                <th scope="col">{t("Role")}</th>
                <th scope="col">{t("Last seen")}</th>
                <th scope="col">{t("Active")}</th>
                <th scope="col">
                  <span className="sr">{t("Actions")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {found.map((each) => (
                <tr key={each.id}>
                  <td>
                    <div className="strong">{each.name || each.email}</div>
                    <div className="soft small">{each.email}</div>
                  </td>
                  <td>
                    <Select
                      aria-label={t("Role of {name}", { name: each.email ?? "" })}
                      value={each.roles?.at(-1) ?? "ROLE_VIEWER"}
                      disabled={each.id === user?.id}
                      onChange={(event) =>
                        update.mutate({ userId: each.id ?? "", roles: [event.target.value as RoleJson] })
                      }
                      options={Object.entries(ROLES).map(([value, label]) => ({ value, label: t(label) }))}
                    />
                  </td>
                  <td className="soft">{ago(each.lastSeenAt, language) || t("never")}</td>
                  <td>
                    <Switch
                      label={t("Active")}
                      checked={!each.disabled}
                      disabled={each.id === user?.id}
                      onChange={(active) => update.mutate({ userId: each.id ?? "", disabled: !active })}
                    />
                  </td>
                  <td className="num">
                    {each.id === user?.id ? null : (
                      <Button
                        small
                        icon
                        look="ghost"
                        label={t("Delete {name}?", { name: each.email ?? "" })}
                        onClick={() => remove.mutate({ userId: each.id ?? "" })}
                      >
                        <Trash2 />
                      </Button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
      {making ? <UserDialog first={!secured} onClose={() => setMaking(false)} /> : null}
    </section>
  );
}

function UserDialog({ first, onClose }: { first: boolean; onClose(): void }) {
  const { t } = useWords();
  const [email, setEmail] = useState("");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [role, setRole] = useState<RoleJson>(first ? "ROLE_ADMIN" : "ROLE_EDITOR");
  const create = useChange(admin.createUser, ["ListUsers", "WhoAmI"], { quiet: true, done: onClose });
  return (
    <Dialog open onClose={onClose} title={t("New user")}>
      <form
        className="col"
        style={{ gap: 16 }}
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate({ email, name, password, roles: [role] });
        }}
      >
        <Field label={t("E-mail")} required>
          {(id) => (
            <Input
              id={id}
              type="email"
              required
              value={email}
              onChange={(event) => setEmail(event.target.value)}
            />
          )}
        </Field>
        <Field label={t("Name")}>
          {(id) => <Input id={id} value={name} onChange={(event) => setName(event.target.value)} />}
        </Field>
        <Field label={t("Password")} hint={t("Ten characters or more.")}>
          {(id) => (
            <Input
              id={id}
              type="password"
              autoComplete="new-password"
              minLength={10}
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          )}
        </Field>
        <Field label={t("Role")}>
          {(id) => (
            <Select
              id={id}
              value={role}
              disabled={first}
              onChange={(event) => setRole(event.target.value as RoleJson)}
              options={Object.entries(ROLES).map(([value, label]) => ({ value, label: t(label) }))}
            />
          )}
        </Field>
        {create.error ? <Problem error={create.error} /> : null}
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button look="primary" type="submit" busy={create.isPending}>
            {t("Create")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
