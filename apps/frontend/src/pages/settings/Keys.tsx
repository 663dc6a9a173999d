/** Keys with which programs come in. */
import { Copy, KeyRound, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { type ApiKeyJson, auth, type PermissionJson } from "~/api/contract";
import { useCall, useChange } from "~/api/hooks";
import { useSession } from "~/api/session";
import { useWords } from "~/i18n";
import { ago, moment } from "~/pages/format";
import { Button, Dialog, Empty, Field, Input, Loading, Problem, toast } from "~/ui";

const PERMISSIONS: { value: PermissionJson; label: string }[] = [
  { value: "PERMISSION_READ", label: "See" },
  { value: "PERMISSION_EDIT", label: "Change" },
  { value: "PERMISSION_OPERATE", label: "Run and answer" },
  { value: "PERMISSION_ADMIN", label: "Administer" },
];

export function Keys() {
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
