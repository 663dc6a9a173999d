/** How the editor looks, who one is, and for admins: people and what they did. */
import {
  Copy,
  KeyRound,
  LogOut,
  MonitorSmartphone,
  Palette,
  Plus,
  ScrollText,
  Trash2,
  Users,
} from "lucide-react";
import { type ComponentType, useState } from "react";
import { Link, useParams } from "wouter";
import {
  type ApiKeyJson,
  admin,
  auth,
  type PermissionJson,
  type RoleJson,
  type UserJson,
} from "~/api/contract";
import { useCall, useChange } from "~/api/hooks";
import { useSession } from "~/api/session";
import { useWords } from "~/i18n";
import { useTheme } from "~/theme";
import {
  Badge,
  Button,
  Dialog,
  Empty,
  Field,
  Input,
  Loading,
  Notice,
  Problem,
  Segments,
  Select,
  Switch,
  toast,
} from "~/ui";
import { ago, moment } from "./format";
import "./pages.css";

export default function SettingsPage() {
  const { t } = useWords();
  const { tab = "look" } = useParams<{ tab?: string }>();
  const { may } = useSession();
  const isAdmin = may("PERMISSION_ADMIN");
  const tabs: { id: string; label: string; icon: ComponentType; show: boolean }[] = [
    { id: "look", label: t("Look and language"), icon: Palette, show: true },
    { id: "account", label: t("Account"), icon: MonitorSmartphone, show: true },
    { id: "keys", label: t("API keys"), icon: KeyRound, show: true },
    { id: "users", label: t("Users"), icon: Users, show: isAdmin },
    { id: "audit", label: t("Audit log"), icon: ScrollText, show: isAdmin },
  ];
  return (
    <div className="page">
      <header className="pagehead">
        <h1>{t("Settings")}</h1>
      </header>
      <div className="settings">
        <nav aria-label={t("Settings")}>
          {tabs
            .filter((each) => each.show)
            .map((each) => (
              <Link
                key={each.id}
                href={`/settings/${each.id}`}
                className="place"
                aria-current={each.id === tab ? "page" : undefined}
              >
                <each.icon />
                {each.label}
              </Link>
            ))}
        </nav>
        <div className="panel">
          {tab === "account" ? (
            <Account />
          ) : tab === "keys" ? (
            <Keys />
          ) : tab === "users" ? (
            <People />
          ) : tab === "audit" ? (
            <Audit />
          ) : (
            <Look />
          )}
        </div>
      </div>
    </div>
  );
}

function Look() {
  const { t, language, setLanguage } = useWords();
  const { theme, setTheme } = useTheme();
  return (
    <section>
      <h2>{t("Look and language")}</h2>
      <div className="row between">
        <span>{t("Theme")}</span>
        <Segments
          label={t("Theme")}
          value={theme}
          onChange={setTheme}
          options={[
            { value: "light", label: t("Light") },
            { value: "dark", label: t("Dark") },
          ]}
        />
      </div>
      <div className="row between">
        <span>{t("Language")}</span>
        <Segments
          label={t("Language")}
          value={language}
          onChange={setLanguage}
          options={[
            { value: "en", label: "English" },
            { value: "zh", label: "中文" },
          ]}
        />
      </div>
      <h2 style={{ marginTop: 12 }}>{t("Keyboard")}</h2>
      <dl className="facts shortcuts">
        {SHORTCUTS.map(([keys, what]) => (
          <div key={keys} style={{ display: "contents" }}>
            <dt>
              {keys.split(", ").map((one) => (
                <span key={one} className="combination">
                  {one.split(" ").map((key) => (
                    <kbd key={key}>{key === "Arrows" ? "← ↑ → ↓" : key}</kbd>
                  ))}
                </span>
              ))}
            </dt>
            <dd>{t(what)}</dd>
          </div>
        ))}
      </dl>
      <p className="soft">
        <a className="link" href="/docs">
          {t("API reference")}
        </a>
      </p>
    </section>
  );
}

const SHORTCUTS: [string, string][] = [
  ["Ctrl K", "Search everything"],
  ["A", "Add a node after the chosen one"],
  ["C", "Connect the chosen node to another"],
  ["N", "Choose the next node"],
  ["E, Enter", "Edit the chosen node"],
  ["P", "Pin its output"],
  ["X", "Switch it off or on"],
  ["Del", "Remove what is chosen"],
  ["Ctrl Enter", "Run the draft"],
  ["Ctrl Z, Ctrl Shift Z", "Undo, redo"],
  ["Ctrl C, Ctrl X, Ctrl V, Ctrl D", "Copy, cut, paste, duplicate"],
  ["Ctrl A", "Choose all nodes"],
  ["Arrows", "Move the chosen nodes"],
  ["L, F, +, −", "Arrange, show all, zoom"],
  ["Ctrl J", "Open the assistant"],
];

function Account() {
  const { t, language } = useWords();
  const { user, secured, signOut } = useSession();
  const sessions = useCall(auth.listSessions, {}, { enabled: secured });
  const revoke = useChange(auth.revokeSession, ["ListSessions"]);
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const change = useChange(auth.changePassword, ["ListSessions"], {
    quiet: true,
    done: () => {
      setCurrent("");
      setNext("");
      toast("green", t("The password is changed"));
    },
  });
  if (!user)
    return (
      <Empty icon={Users} title={t("Nobody needs to sign in")}>
        {t(
          "This server has no users, so only programs on this machine reach it. Add the first user, an admin, to change that.",
        )}
      </Empty>
    );
  return (
    <>
      <section>
        <h2>{t("Account")}</h2>
        <div className="row between">
          <span>
            <span className="strong">{user.name || user.email}</span>{" "}
            <span className="soft">{user.email}</span>
          </span>
          <Button onClick={() => void signOut()}>
            <LogOut />
            {t("Sign out")}
          </Button>
        </div>
        <div className="row">
          {(user.roles ?? []).map((role) => (
            <Badge key={role}>{t(ROLES[role] ?? role)}</Badge>
          ))}
        </div>
      </section>
      {user.external ? null : (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            change.mutate({ currentPassword: current, newPassword: next });
          }}
        >
          <h2>{t("Change the password")}</h2>
          <Field label={t("Current password")}>
            {(id) => (
              <Input
                id={id}
                type="password"
                autoComplete="current-password"
                required
                value={current}
                onChange={(event) => setCurrent(event.target.value)}
              />
            )}
          </Field>
          <Field label={t("New password")} hint={t("Ten characters or more.")}>
            {(id) => (
              <Input
                id={id}
                type="password"
                autoComplete="new-password"
                required
                minLength={10}
                value={next}
                onChange={(event) => setNext(event.target.value)}
              />
            )}
          </Field>
          {change.error ? <Problem error={change.error} /> : null}
          <div>
            <Button type="submit" busy={change.isPending}>
              {t("Change it")}
            </Button>
          </div>
        </form>
      )}
      <section>
        <h2>{t("Sessions")}</h2>
        <div className="card listcard scroll">
          <table className="table">
            <tbody>
              {(sessions.data?.sessions ?? []).map((session) => (
                <tr key={session.id}>
                  <td className="clip" style={{ maxWidth: 320 }}>
                    {session.userAgent || t("Unknown")}
                    {session.current ? <Badge tone="green">{t("this one")}</Badge> : null}
                  </td>
                  <td className="soft">{session.address}</td>
                  <td className="soft">{ago(session.lastSeenAt ?? session.createdAt, language)}</td>
                  <td className="num">
                    {session.current ? null : (
                      <Button small onClick={() => revoke.mutate({ sessionId: session.id ?? "" })}>
                        {t("End")}
                      </Button>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
    </>
  );
}

const PERMISSIONS: { value: PermissionJson; label: string }[] = [
  { value: "PERMISSION_READ", label: "See" },
  { value: "PERMISSION_EDIT", label: "Change" },
  { value: "PERMISSION_OPERATE", label: "Run and answer" },
  { value: "PERMISSION_ADMIN", label: "Administer" },
];

function Keys() {
  const { t, language } = useWords();
  const { secured } = useSession();
  const list = useCall(auth.listApiKeys, {}, { enabled: secured });
  const [making, setMaking] = useState(false);
  const [secret, setSecret] = useState("");
  const revoke = useChange(auth.revokeApiKey, ["ListApiKeys"]);
  const keys: ApiKeyJson[] = list.data?.apiKeys ?? [];
  if (!secured)
    return (
      <Empty icon={KeyRound} title={t("No keys are needed")}>
        {t("This server has no users yet. Once it has, programs come in with API keys.")}
      </Empty>
    );
  return (
    <section>
      <div className="row between">
        <h2>{t("API keys")}</h2>
        <Button look="primary" onClick={() => setMaking(true)}>
          <Plus />
          {t("New key")}
        </Button>
      </div>
      {list.error ? <Problem error={list.error} /> : null}
      {list.isPending ? <Loading rows={3} /> : null}
      {list.data && keys.length === 0 ? <p className="soft">{t("There are none yet.")}</p> : null}
      {keys.length > 0 ? (
        <div className="card listcard scroll">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{t("Name")}</th>
                <th scope="col">{t("Key")}</th>
                <th scope="col">{t("May")}</th>
                <th scope="col">{t("Last used")}</th>
                <th scope="col">{t("Ends")}</th>
                <th scope="col">
                  <span className="sr">{t("Actions")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {keys.map((key) => (
                <tr key={key.id}>
                  <td className="strong">{key.name}</td>
                  <td className="mono soft">{key.prefix}…</td>
                  <td className="soft small">
                    {(key.permissions ?? [])
                      .map((each) => t(PERMISSIONS.find((one) => one.value === each)?.label ?? each))
                      .join(", ")}
                  </td>
                  <td className="soft">{ago(key.lastUsedAt, language) || t("never")}</td>
                  <td className="soft">{key.expiresAt ? moment(key.expiresAt, language) : t("never")}</td>
                  <td className="num">
                    <Button
                      small
                      icon
                      look="ghost"
                      label={t("Revoke {name}", { name: key.name ?? "" })}
                      onClick={() => revoke.mutate({ keyId: key.id ?? "" })}
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
      {making ? (
        <KeyDialog
          onClose={() => setMaking(false)}
          onDone={(made) => {
            setMaking(false);
            setSecret(made);
          }}
        />
      ) : null}
      <Dialog
        open={secret !== ""}
        onClose={() => setSecret("")}
        title={t("Your new key")}
        hint={t("Copy it now; it is not shown again.")}
      >
        <div className="secret">
          <span className="grow">{secret}</span>
          <Button
            small
            icon
            look="ghost"
            label={t("Copy")}
            onClick={() => void navigator.clipboard.writeText(secret).then(() => toast("green", t("Copied")))}
          >
            <Copy />
          </Button>
        </div>
      </Dialog>
    </section>
  );
}

function KeyDialog({ onClose, onDone }: { onClose(): void; onDone(secret: string): void }) {
  const { t } = useWords();
  const { may } = useSession();
  const [name, setName] = useState("");
  const [days, setDays] = useState("90");
  const [permissions, setPermissions] = useState<PermissionJson[]>(["PERMISSION_READ"]);
  const create = useChange(auth.createApiKey, ["ListApiKeys"], {
    quiet: true,
    done: (answer) => onDone(answer.secret ?? ""),
  });
  return (
    <Dialog open onClose={onClose} title={t("New key")}>
      <form
        className="col"
        style={{ gap: 16 }}
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate({ name, permissions, ...(days ? { validFor: `${Number(days) * 86400}s` } : {}) });
        }}
      >
        <Field label={t("What it is for")} required>
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
        <Field label={t("May")}>
          {() => (
            <div className="col">
              {PERMISSIONS.filter((each) => may(each.value)).map((each) => (
                <label key={each.value} className="row">
                  <input
                    type="checkbox"
                    checked={permissions.includes(each.value)}
                    onChange={(event) =>
                      setPermissions(
                        event.target.checked
                          ? [...permissions, each.value]
                          : permissions.filter((one) => one !== each.value),
                      )
                    }
                  />
                  {t(each.label)}
                </label>
              ))}
            </div>
          )}
        </Field>
        <Field label={t("Works for")} hint={t("Days; for ever when empty.")}>
          {(id) => (
            <Input
              id={id}
              type="number"
              min={1}
              value={days}
              onChange={(event) => setDays(event.target.value)}
            />
          )}
        </Field>
        {create.error ? <Problem error={create.error} /> : null}
        <div className="row" style={{ justifyContent: "flex-end" }}>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button
            look="primary"
            type="submit"
            busy={create.isPending}
            disabled={!name || permissions.length === 0}
          >
            {t("Create")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

const ROLES: Partial<Record<RoleJson, string>> = {
  ROLE_VIEWER: "Viewer",
  ROLE_EDITOR: "Editor",
  ROLE_OPERATOR: "Operator",
  ROLE_ADMIN: "Admin",
};

function People() {
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

function Audit() {
  const { t, language } = useWords();
  const [action, setAction] = useState("");
  const [limit, setLimit] = useState(100);
  const list = useCall(admin.listAuditEvents, { limit, ...(action ? { action } : {}) }, { keep: true });
  const events = list.data?.events ?? [];
  return (
    <section>
      <div className="row between">
        <h2>{t("Audit log")}</h2>
        <Input
          style={{ maxWidth: 220 }}
          aria-label={t("Only this action")}
          placeholder={t("Only this action")}
          value={action}
          onChange={(event) => setAction(event.target.value)}
        />
      </div>
      {list.error ? <Problem error={list.error} /> : null}
      <div className="card listcard scroll">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">{t("When")}</th>
              <th scope="col">{t("Who")}</th>
              <th scope="col">{t("Action")}</th>
              <th scope="col">{t("On")}</th>
              <th scope="col">{t("Outcome")}</th>
            </tr>
          </thead>
          <tbody>
            {events.map((event) => (
              <tr key={event.id}>
                <td className="when">{moment(event.at, language)}</td>
                <td>{event.who || t("Somebody")}</td>
                <td>{event.action}</td>
                <td
                  className="mono soft clip"
                  style={{ maxWidth: 240 }}
                  title={(event.resources ?? []).join(", ")}
                >
                  {(event.resources ?? []).join(", ")}
                </td>
                <td>
                  <Badge tone={event.outcome === "OK" ? "green" : "red"}>
                    {event.outcome === "OK" ? t("done") : (event.reason ?? event.outcome)}
                  </Badge>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {list.data?.nextPageToken ? (
        <div>
          <Button small onClick={() => setLimit(Math.min(limit + 200, 1000))}>
            {t("Show more")}
          </Button>
        </div>
      ) : null}
    </section>
  );
}
