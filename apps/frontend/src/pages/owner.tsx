/** Whose something is: a person's, or a project's, whose members all share it. */
import { auth, type ProjectJson } from "~/api/contract";
import { useCall } from "~/api/hooks";
import { useSession } from "~/api/session";
import { useT } from "~/i18n";
import { Field, Select } from "~/ui";

/** The projects that somebody may give things to. */
export function useProjects(): ProjectJson[] {
  const { secured } = useSession();
  return useCall(auth.listProjects, {}, { enabled: secured }).data?.projects ?? [];
}

/** Who shall own it; nothing where there is no choice. `owner` is oneself when it is empty. */
export function OwnerField({ owner, onChange }: { owner: string; onChange(owner: string): void }) {
  const t = useT();
  const { user } = useSession();
  const projects = useProjects();
  if (projects.length === 0) return null;
  const others = owner && owner !== user?.id && !projects.some((each) => each.id === owner);
  return (
    <Field label={t("Belongs to")} hint={t("All members of a project see and change what it owns.")}>
      {(id) => (
        <Select
          id={id}
          value={owner || (user?.id ?? "")}
          onChange={(event) => onChange(event.target.value)}
          options={[
            ...(others ? [{ value: owner, label: t("Somebody else") }] : []),
            { value: user?.id ?? "", label: t("Me") },
            ...projects.map((each) => ({ value: each.id ?? "", label: each.name ?? "" })),
          ]}
        />
      )}
    </Field>
  );
}
