/** A new credential, or a change of one. Secrets go in and never come out. */
import { ExternalLink } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import { type CredentialJson, type CredentialTypeJson, integrations } from "~/api/contract";
import { queries, useCall, useChange } from "~/api/hooks";
import { SchemaForm } from "~/forms/SchemaForm";
import type { Schema } from "~/forms/schema";
import { useWords } from "~/i18n";
import { Button, Dialog, Field, Input, Loading, messageOf, Notice, Problem, Select, toast } from "~/ui";
import { connect, grantOf, openWindow } from "./grant";
import { OwnerField } from "./owner";

export function CredentialDialog({
  types,
  existing,
  onClose,
  onDone,
}: {
  /** Only these may be chosen. */
  types?: string[];
  existing?: CredentialJson;
  onClose(): void;
  onDone(credential: CredentialJson): void;
}) {
  const { t, tag } = useWords();
  const list = useCall(integrations.listIntegrations, { language: tag });
  const options = useMemo(() => {
    const made = new Map<string, CredentialTypeJson & { of: string }>();
    for (const integration of list.data?.integrations ?? [])
      for (const type of integration.credentialTypes ?? [])
        if (!made.has(type.type ?? "")) made.set(type.type ?? "", { ...type, of: integration.name ?? "" });
    return [...made.values()].filter((type) => !types || types.includes(type.type ?? ""));
  }, [list.data, types]);
  const [chosen, setChosen] = useState(existing?.type ?? "");
  const type = options.find((each) => each.type === chosen) ?? options[0];
  const [name, setName] = useState(existing?.name ?? "");
  const [fields, setFields] = useState<Record<string, unknown>>(
    (existing?.fields ?? {}) as Record<string, unknown>,
  );
  const [hosts, setHosts] = useState((existing?.allowedHosts ?? []).join(", "));
  const [owner, setOwner] = useState("");
  const [granting, setGranting] = useState(false);
  const provider = useRef<Window | null>(null);
  const connects =
    !existing &&
    grantOf({ fields: fields as NonNullable<CredentialJson["fields"]> }, type?.isOauth) === "open" &&
    !fields.access_token;
  const finish = async (credential: CredentialJson | undefined) => {
    if (!credential) return;
    if (connects) await grant(credential);
    onDone(credential);
  };
  const create = useChange(integrations.createCredential, ["ListCredentials"], {
    quiet: true,
    done: (answer) => void finish(answer.credential),
    failed: () => provider.current?.close(),
  });
  const update = useChange(integrations.updateCredential, ["ListCredentials"], {
    quiet: true,
    done: (answer) => void finish(answer.credential),
  });

  /** Sends the person to the provider in a window of its own, and waits until they have come back. */
  const grant = async (credential: CredentialJson) => {
    setGranting(true);
    try {
      await connect(credential.id ?? "", provider.current, t);
      void queries.invalidateQueries({ queryKey: ["ListCredentials"] });
      toast("green", t("Connected"));
    } catch (error) {
      toast("red", t("Not connected"), { text: messageOf(error, t) });
    } finally {
      setGranting(false);
    }
  };

  const allowedHosts = hosts
    .split(/[\s,]+/)
    .map((host) => host.trim())
    .filter(Boolean);
  return (
    <Dialog open onClose={onClose} title={existing ? t("Edit credential") : t("New credential")}>
      {list.isPending ? (
        <Loading rows={3} />
      ) : list.error ? (
        <Problem error={list.error} />
      ) : (
        <form
          className="col"
          style={{ gap: 16 }}
          onSubmit={(event) => {
            event.preventDefault();
            if (existing)
              update.mutate({
                credentialId: existing.id ?? "",
                name,
                fields: fields as NonNullable<CredentialJson["fields"]>,
                allowedHosts,
              });
            else {
              if (connects) provider.current = openWindow();
              create.mutate({
                name,
                userId: owner,
                type: type?.type ?? "",
                fields: fields as NonNullable<CredentialJson["fields"]>,
                allowedHosts,
              });
            }
          }}
        >
          <Field label={t("Kind")}>
            {(id) => (
              <Select
                id={id}
                value={type?.type ?? ""}
                disabled={existing !== undefined}
                onChange={(event) => {
                  setChosen(event.target.value);
                  setFields({});
                }}
                options={options.map((each) => ({ value: each.type ?? "", label: each.name ?? "" }))}
              />
            )}
          </Field>
          <Field label={t("Name")} required>
            {(id) => (
              <Input
                id={id}
                required
                maxLength={255}
                value={name}
                placeholder={t("For example: Shop API, production")}
                onChange={(event) => setName(event.target.value)}
              />
            )}
          </Field>
          {existing?.secretFields?.length ? (
            <Notice>{t("Secrets that are set stay as they are unless you write new ones.")}</Notice>
          ) : null}
          {type?.schema ? (
            <SchemaForm key={type.type} schema={type.schema as Schema} value={fields} onChange={setFields} />
          ) : null}
          <Field label={t("Hosts it may be sent to")} hint={t("Separated by commas; any when empty.")}>
            {(id) => (
              <Input
                id={id}
                value={hosts}
                placeholder="api.example.com"
                onChange={(event) => setHosts(event.target.value)}
              />
            )}
          </Field>
          {existing ? null : <OwnerField owner={owner} onChange={setOwner} />}
          {(create.error ?? update.error) ? <Problem error={create.error ?? update.error} /> : null}
          <div className="row" style={{ justifyContent: "flex-end" }}>
            <Button onClick={onClose}>{t("Cancel")}</Button>
            <Button
              look="primary"
              type="submit"
              busy={create.isPending || update.isPending || granting}
              disabled={!name.trim()}
            >
              {connects ? <ExternalLink /> : null}
              {connects ? t("Save and connect") : t("Save")}
            </Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}
