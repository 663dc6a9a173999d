/** How a node fails, repeats and is undone. */
import type { NodeJson } from "~/api/contract";
import { useT } from "~/i18n";
import { type Node, nameOf } from "~/model/graph";
import { Field, Input, Select, Switch, Textarea } from "~/ui";
import { useDoc, useEditor } from "./store";

export type Change = (fields: { [K in keyof Node]?: Node[K] | undefined }, key: string) => void;

const ON_ERROR: { value: NonNullable<NodeJson["onError"]>; label: string }[] = [
  { value: "ON_ERROR_STOP", label: "Stop the workflow" },
  { value: "ON_ERROR_CONTINUE", label: "Go on, with the failure in the item" },
  { value: "ON_ERROR_ERROR_PORT", label: "Leave by an error port" },
];

const UNKNOWN: { value: NonNullable<NodeJson["onUnknownOutcome"]>; label: string }[] = [
  { value: "UNKNOWN_OUTCOME_PARK", label: "Wait for a person to decide" },
  { value: "UNKNOWN_OUTCOME_RETRY", label: "Do it again: it may happen twice" },
  { value: "UNKNOWN_OUTCOME_FAIL", label: "Fail" },
];

function seconds(duration: string | undefined): string {
  return duration ? duration.replace(/s$/, "") : "";
}

export function Behaviour({ node, onChange, readOnly }: { node: Node; onChange: Change; readOnly: boolean }) {
  const t = useT();
  const doc = useDoc();
  const type = useEditor((editor) => editor.types.get(node.type));
  const retry = node.retry ?? {};
  const setRetry = (fields: Partial<NonNullable<Node["retry"]>>) => {
    const made = { ...retry, ...fields };
    for (const [key, value] of Object.entries(made))
      if (value === undefined || value === "") delete made[key as keyof typeof made];
    onChange({ retry: Object.keys(made).length > 0 ? made : undefined }, "retry");
  };
  return (
    <fieldset className="form bare" disabled={readOnly}>
      <Field label={t("When it fails")}>
        {(id) => (
          <Select
            id={id}
            value={node.onError ?? "ON_ERROR_STOP"}
            onChange={(event) =>
              onChange(
                {
                  onError:
                    event.target.value === "ON_ERROR_STOP"
                      ? undefined
                      : (event.target.value as Node["onError"]),
                },
                "onError",
              )
            }
            options={ON_ERROR.map((each) => ({ value: each.value, label: t(each.label) }))}
          />
        )}
      </Field>
      <div className="pair">
        <Field label={t("Attempts")} hint={t("In all; 1 means no retry.")}>
          {(id) => (
            <Input
              id={id}
              type="number"
              min={1}
              max={1000}
              placeholder="1"
              value={retry.maxAttempts || ""}
              onChange={(event) =>
                setRetry({ maxAttempts: event.target.value ? Number(event.target.value) : undefined })
              }
            />
          )}
        </Field>
        <Field label={t("First wait")} hint={t("Seconds before the second attempt.")}>
          {(id) => (
            <Input
              id={id}
              type="number"
              min={0}
              step="any"
              placeholder="1"
              value={seconds(retry.initialInterval)}
              onChange={(event) =>
                setRetry({ initialInterval: event.target.value ? `${event.target.value}s` : undefined })
              }
            />
          )}
        </Field>
        <Field label={t("Factor")} hint={t("From one wait to the next.")}>
          {(id) => (
            <Input
              id={id}
              type="number"
              min={1}
              max={100}
              step="any"
              placeholder="2"
              value={retry.backoffCoefficient || ""}
              onChange={(event) =>
                setRetry({ backoffCoefficient: event.target.value ? Number(event.target.value) : undefined })
              }
            />
          )}
        </Field>
        <Field label={t("Longest wait")} hint={t("Seconds.")}>
          {(id) => (
            <Input
              id={id}
              type="number"
              min={0}
              step="any"
              placeholder="100"
              value={seconds(retry.maxInterval)}
              onChange={(event) =>
                setRetry({ maxInterval: event.target.value ? `${event.target.value}s` : undefined })
              }
            />
          )}
        </Field>
      </div>
      <Field label={t("Time limit")} hint={t("Seconds for one attempt; none when empty.")}>
        {(id) => (
          <Input
            id={id}
            type="number"
            min={0}
            step="any"
            value={seconds(node.timeout)}
            onChange={(event) =>
              onChange({ timeout: event.target.value ? `${event.target.value}s` : undefined }, "timeout")
            }
          />
        )}
      </Field>
      {type?.effect === "EFFECT_AT_MOST_ONCE" ? (
        <Field
          label={t("After a crash in the middle")}
          hint={t("When nobody knows whether the effect happened.")}
        >
          {(id) => (
            <Select
              id={id}
              value={node.onUnknownOutcome ?? "UNKNOWN_OUTCOME_PARK"}
              onChange={(event) =>
                onChange(
                  { onUnknownOutcome: event.target.value as Node["onUnknownOutcome"] },
                  "onUnknownOutcome",
                )
              }
              options={UNKNOWN.map((each) => ({ value: each.value, label: t(each.label) }))}
            />
          )}
        </Field>
      ) : null}
      <Field
        label={t("Undo with")}
        hint={t("Runs with this node's output when the execution fails later or is canceled.")}
      >
        {(id) => (
          <Select
            id={id}
            value={node.undoNode ?? ""}
            onChange={(event) => onChange({ undoNode: event.target.value || undefined }, "undoNode")}
            options={[
              { value: "", label: t("Nothing") },
              ...(doc.nodes ?? [])
                .filter((other) => other.id !== node.id)
                .map((other) => ({ value: other.id ?? "", label: nameOf(other) })),
            ]}
          />
        )}
      </Field>
      <Field label={t("Switched off")} hint={t("Hands its items on without doing anything.")}>
        {(id) => (
          <Switch
            id={id}
            checked={node.disabled ?? false}
            onChange={(disabled) => onChange({ disabled: disabled || undefined }, "disabled")}
          />
        )}
      </Field>
      <Field label={t("Notes")}>
        {(id) => (
          <Textarea
            id={id}
            value={node.notes ?? ""}
            onChange={(event) => onChange({ notes: event.target.value || undefined }, "notes")}
          />
        )}
      </Field>
    </fieldset>
  );
}
