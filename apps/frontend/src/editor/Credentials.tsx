/** Which credentials a node signs in with. */
import { Plus } from "lucide-react";
import { useState } from "react";
import { type CredentialJson, type CredentialSlotJson, integrations } from "~/api/contract";
import { useCall } from "~/api/hooks";
import { labelOf } from "~/forms/schema";
import { useWords } from "~/i18n";
import type { Node } from "~/model/graph";
import { CredentialDialog } from "~/pages/CredentialDialog";
import { Button, Field, Select } from "~/ui";
import type { Change } from "./Behaviour";

export function Credentials({
  node,
  slots,
  isNamed = slots.length > 1,
  onChange,
}: {
  node: Node;
  slots: CredentialSlotJson[];
  /** Whether the slots say which they are. */
  isNamed?: boolean;
  onChange: Change;
}) {
  const { t, tag } = useWords();
  const systems = useCall(integrations.listIntegrations, { language: tag }, { enabled: slots.length > 0 });
  const kinds = new Map(
    (systems.data?.integrations ?? []).flatMap((system) =>
      (system.credentialTypes ?? []).map((kind) => [kind.type, kind.name]),
    ),
  );
  const list = useCall(integrations.listCredentials, { limit: 500 }, { enabled: slots.length > 0 });
  const [creating, setCreating] = useState<string[]>();
  const [slotName, setSlotName] = useState("");
  if (slots.length === 0) return null;
  const set = (slot: string, credential: string) => {
    const credentials = { ...node.credentials };
    if (credential) credentials[slot] = credential;
    else delete credentials[slot];
    onChange(
      { credentials: Object.keys(credentials).length > 0 ? credentials : undefined },
      `credential.${slot}`,
    );
  };
  return (
    <>
      {slots.map((slot) => {
        const fitting = (list.data?.credentials ?? []).filter((each: CredentialJson) =>
          slot.types?.includes(each.type ?? ""),
        );
        return (
          <Field
            key={slot.name}
            label={isNamed ? t("Credential: {name}", { name: t(labelOf(slot.name ?? "")) }) : t("Credential")}
            required={slot.required ?? false}
          >
            {(id) => (
              <div className="row">
                <Select
                  id={id}
                  value={node.credentials?.[slot.name ?? ""] ?? ""}
                  onChange={(event) => set(slot.name ?? "", event.target.value)}
                  options={[
                    { value: "", label: t("None") },
                    ...fitting.map((each) => ({
                      value: each.id ?? "",
                      label: `${each.name} · ${kinds.get(each.type) ?? each.type}`,
                    })),
                  ]}
                />
                <Button
                  icon
                  label={t("New credential")}
                  onClick={() => {
                    setSlotName(slot.name ?? "");
                    setCreating(slot.types ?? []);
                  }}
                >
                  <Plus />
                </Button>
              </div>
            )}
          </Field>
        );
      })}
      {creating ? (
        <CredentialDialog
          types={creating}
          onClose={() => setCreating(undefined)}
          onDone={(credential) => {
            set(slotName, credential.id ?? "");
            setCreating(undefined);
          }}
        />
      ) : null}
    </>
  );
}
