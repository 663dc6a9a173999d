/** Who one is, and where one is signed in. */
import { LogOut, Users } from "lucide-react";
import { useState } from "react";
import { auth } from "~/api/contract";
import { useCall, useChange } from "~/api/hooks";
import { useSession } from "~/api/session";
import { useWords } from "~/i18n";
import { ago } from "~/pages/format";
import { Badge, Button, Empty, Field, Input, Problem, toast } from "~/ui";
import { ROLES } from "./roles";

export function Account() {
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
            {user.name ? <span className="soft">{user.email}</span> : null}
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
                    {session.userAgent || t("Unknown")}{" "}
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
