/** How executions of the workflow behave. */
import { useState } from "react";
import type { WorkflowJson } from "~/api/contract";
import { workflows } from "~/api/contract";
import { useCall } from "~/api/hooks";
import { Text } from "~/forms/Text";
import { useT } from "~/i18n";
import { OwnerField } from "~/pages/owner";
import { Button, Dialog, Field, Input, Notice, Select, Switch, Textarea } from "~/ui";
import { useDoc, useEditorStore } from "./store";

type Settings = NonNullable<WorkflowJson["settings"]>;

function seconds(duration: string | undefined): string {
  return duration ? duration.replace(/s$/, "") : "";
}

export default function WorkflowSettings({ onClose }: { onClose(): void }) {
  const t = useT();
  const store = useEditorStore();
  const doc = useDoc();
  const [description, setDescription] = useState(doc.description ?? "");
  const [tags, setTags] = useState((doc.tags ?? []).join(", "));
  const [settings, setSettings] = useState<Settings>(doc.settings ?? {});
  const [owner, setOwner] = useState(doc.userId ?? "");
  const [vars, setVars] = useState(JSON.stringify(doc.vars ?? {}, null, 2));
  const [wrong, setWrong] = useState("");
  const others = useCall(workflows.listWorkflows, { limit: 500 });
  const set = (fields: { [K in keyof Settings]?: Settings[K] | undefined }) => {
    const made: Record<string, unknown> = { ...settings, ...fields };
    for (const [name, value] of Object.entries(made))
      if (value === undefined || value === "") delete made[name];
    setSettings(made as Settings);
  };
  const apply = () => {
    let constants: WorkflowJson["vars"];
    try {
      constants = JSON.parse(vars || "{}") as NonNullable<WorkflowJson["vars"]>;
    } catch (error) {
      setWrong(t("This is no JSON: {why}", { why: (error as Error).message }));
      return;
    }
    const list = tags
      .split(",")
      .map((tag) => tag.trim())
      .filter(Boolean);
    store.getState().edit({
      kind: "head",
      fields: {
        description: description || undefined,
        userId: owner || undefined,
        tags: list.length > 0 ? list : undefined,
        settings: Object.keys(settings).length > 0 ? settings : undefined,
        vars: constants && Object.keys(constants).length > 0 ? constants : undefined,
      },
    });
    onClose();
  };
  return (
    <Dialog
      open
      wide
      onClose={onClose}
      title={t("Workflow settings")}
      footer={
        <>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button look="primary" onClick={apply}>
            {t("Apply")}
          </Button>
        </>
      }
    >
      <Field label={t("Description")}>
        {(id) => (
          <Textarea id={id} value={description} onChange={(event) => setDescription(event.target.value)} />
        )}
      </Field>
      <OwnerField owner={owner} onChange={setOwner} />
      <div className="pair">
        <Field label={t("Tags")} hint={t("Separated by commas.")}>
          {(id) => <Input id={id} value={tags} onChange={(event) => setTags(event.target.value)} />}
        </Field>
        <Field label={t("Timezone")} hint={t("For dates and schedules; UTC when empty.")}>
          {(id) => (
            <>
              <Input
                id={id}
                list="zones"
                value={settings.timezone ?? ""}
                placeholder="UTC"
                onChange={(event) => set({ timezone: event.target.value })}
              />
              <datalist id="zones">
                {Intl.supportedValuesOf("timeZone").map((zone) => (
                  <option key={zone} value={zone} />
                ))}
              </datalist>
            </>
          )}
        </Field>
        <Field label={t("Time limit")} hint={t("Seconds for a whole execution; none when empty.")}>
          {(id) => (
            <Input
              id={id}
              type="number"
              min={0}
              value={seconds(settings.timeout)}
              onChange={(event) =>
                set({ timeout: event.target.value ? `${event.target.value}s` : undefined })
              }
            />
          )}
        </Field>
        <Field label={t("When it fails, run")}>
          {(id) => (
            <Select
              id={id}
              value={settings.errorWorkflowId ?? ""}
              onChange={(event) => set({ errorWorkflowId: event.target.value })}
              options={[
                { value: "", label: t("Nothing") },
                ...(others.data?.workflows ?? [])
                  .filter((each) => each.id !== doc.id)
                  .map((each) => ({ value: each.id ?? "", label: each.name ?? "" })),
              ]}
            />
          )}
        </Field>
        <Field label={t("Executions at once")} hint={t("Others wait for their turn; any number when empty.")}>
          {(id) => (
            <Input
              id={id}
              type="number"
              min={0}
              value={settings.maxConcurrentExecutions ?? ""}
              onChange={(event) =>
                set({ maxConcurrentExecutions: event.target.value ? Number(event.target.value) : undefined })
              }
            />
          )}
        </Field>
        <Field
          label={t("Counted for each")}
          hint={t("An expression over the input, such as {{ json.customer }}.")}
        >
          {(id) => (
            <Input
              id={id}
              value={settings.concurrencyKey ?? ""}
              onChange={(event) => set({ concurrencyKey: event.target.value })}
            />
          )}
        </Field>
        <Field label={t("Keep executions for")} hint={t("Days; the server's default when empty.")}>
          {(id) => (
            <Input
              id={id}
              type="number"
              min={0}
              value={settings.retention?.maxAge ? Number(seconds(settings.retention.maxAge)) / 86400 : ""}
              onChange={(event) =>
                set({
                  retention: {
                    ...settings.retention,
                    ...(event.target.value
                      ? { maxAge: `${Number(event.target.value) * 86400}s` }
                      : { maxAge: "0s" }),
                  },
                })
              }
            />
          )}
        </Field>
        <Field label={t("Drop successful ones")} hint={t("As soon as they have ended.")}>
          {(id) => (
            <Switch
              id={id}
              checked={settings.retention?.dropSuccessful ?? false}
              onChange={(dropSuccessful) => set({ retention: { ...settings.retention, dropSuccessful } })}
            />
          )}
        </Field>
      </div>
      <Field label={t("Constants")} hint={t("Expressions read them as vars.name.")}>
        {(id) => (
          <Text id={id} value={vars} onChange={setVars} multiline label={t("Constants")} language="json" />
        )}
      </Field>
      {wrong ? <Notice tone="red">{wrong}</Notice> : null}
    </Dialog>
  );
}
