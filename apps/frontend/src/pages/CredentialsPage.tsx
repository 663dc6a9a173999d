/** What nodes sign in with elsewhere. */
import { CircleCheck, KeyRound, Link2, MoreHorizontal, Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { type CredentialJson, integrations } from "~/api/contract";
import { queries, useCall, useChange } from "~/api/hooks";
import { useWords } from "~/i18n";
import { Badge, Button, DeleteDialog, Empty, Loading, Menu, messageOf, Problem, toast } from "~/ui";
import { CredentialDialog } from "./CredentialDialog";
import { ago } from "./format";
import { connect, grantOf, openWindow } from "./grant";

export default function CredentialsPage() {
  const { t, tag, language } = useWords();
  const list = useCall(integrations.listCredentials, { limit: 500 });
  const kinds = useCall(integrations.listIntegrations, { language: tag });
  const [editing, setEditing] = useState<CredentialJson | "new">();
  const [deleting, setDeleting] = useState<CredentialJson>();
  const types = new Map(
    (kinds.data?.integrations ?? []).flatMap((each) =>
      (each.credentialTypes ?? []).map((type) => [type.type, type] as const),
    ),
  );
  const remove = useChange(integrations.deleteCredential, ["ListCredentials"], {
    done: () => setDeleting(undefined),
  });
  const test = useChange(integrations.testCredential, ["ListCredentials"], {
    done: (answer) =>
      answer.success
        ? toast("green", t("It works"), { text: t.say(answer.message ?? "") })
        : toast("red", t("It was refused"), { text: t.say(answer.failure?.message ?? answer.message ?? "") }),
  });
  const connected = async (credential: CredentialJson) => {
    try {
      await connect(credential.id ?? "", openWindow(), t);
      toast("green", t("Connected"));
      void queries.invalidateQueries({ queryKey: ["ListCredentials"] });
    } catch (error) {
      toast("red", t("Not connected"), { text: messageOf(error, t) });
    }
  };
  const found = list.data?.credentials ?? [];
  return (
    <div className="page">
      <header className="pagehead">
        <div>
          <h1>{t("Credentials")}</h1>
          <p>{t("Encrypted at rest; secrets are never shown again.")}</p>
        </div>
        <Button look="primary" onClick={() => setEditing("new")}>
          <Plus />
          {t("New credential")}
        </Button>
      </header>
      <div className="card listcard">
        {list.isPending ? <Loading /> : null}
        {list.error ? (
          <div style={{ padding: 16 }}>
            <Problem error={list.error} retry={() => void list.refetch()} />
          </div>
        ) : null}
        {list.data && found.length === 0 ? (
          <Empty
            icon={KeyRound}
            title={t("No credentials yet")}
            actions={
              <Button look="primary" onClick={() => setEditing("new")}>
                <Plus />
                {t("New credential")}
              </Button>
            }
          >
            {t("Nodes that call other systems sign in with them.")}
          </Empty>
        ) : null}
        {found.length > 0 ? (
          <table className="table">
            <thead>
              <tr>
                <th scope="col">{t("Name")}</th>
                <th scope="col">{t("Kind")}</th>
                <th scope="col">{t("Hosts")}</th>
                <th scope="col">{t("Changed")}</th>
                <th scope="col">
                  <span className="sr">{t("Actions")}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {found.map((credential) => {
                const type = types.get(credential.type);
                const grant = grantOf(credential, type?.isOauth);
                // With a refresh token the next call gets another access token.
                const ended =
                  credential.expiresAt &&
                  Date.parse(credential.expiresAt) < Date.now() &&
                  !credential.secretFields?.includes("refresh_token");
                return (
                  <tr key={credential.id}>
                    <td className="strong">{credential.name}</td>
                    <td>
                      <span className="row">
                        {type?.name ?? credential.type}
                        {ended ? (
                          <Badge tone="red">{t("Ended")}</Badge>
                        ) : grant === "granted" ? (
                          <Badge tone="green" dot>
                            {t("Connected")}
                          </Badge>
                        ) : grant === "open" ? (
                          <Badge tone="amber" dot>
                            {t("Not connected")}
                          </Badge>
                        ) : null}
                      </span>
                    </td>
                    <td className="soft clip" style={{ maxWidth: 240 }}>
                      {credential.allowedHosts?.join(", ") || t("any")}
                    </td>
                    <td className="soft">{ago(credential.updatedAt ?? credential.createdAt, language)}</td>
                    <td className="num">
                      <Menu
                        items={[
                          {
                            label: t("Try it"),
                            icon: CircleCheck,
                            onSelect: () => test.mutate({ credentialId: credential.id ?? "" }),
                          },
                          ...(grant !== "none"
                            ? [
                                {
                                  label: t("Connect"),
                                  icon: Link2,
                                  onSelect: () => void connected(credential),
                                },
                              ]
                            : []),
                          { label: t("Edit"), icon: Pencil, onSelect: () => setEditing(credential) },
                          "line" as const,
                          {
                            label: t("Delete"),
                            icon: Trash2,
                            danger: true,
                            onSelect: () => setDeleting(credential),
                          },
                        ]}
                      >
                        <button
                          type="button"
                          className="button ghost small icon"
                          aria-label={t("Actions for {name}", { name: credential.name ?? "" })}
                        >
                          <MoreHorizontal />
                        </button>
                      </Menu>
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        ) : null}
      </div>
      {editing ? (
        <CredentialDialog
          {...(editing === "new" ? {} : { existing: editing })}
          onClose={() => setEditing(undefined)}
          onDone={() => {
            setEditing(undefined);
            toast("green", t("Saved"));
          }}
        />
      ) : null}
      <DeleteDialog
        name={deleting && (deleting.name ?? "")}
        hint={t("Workflows that use it fail from now on.")}
        busy={remove.isPending}
        onClose={() => setDeleting(undefined)}
        onDelete={() => deleting && remove.mutate({ credentialId: deleting.id ?? "" })}
      />
    </div>
  );
}
