/** What went wrong, for the one who must act: where, what, and what to do. */
import type { FailureJson } from "~/api/contract";
import { useT } from "~/i18n";
import { Notice } from "~/ui";

export function FailureNotice({ failure, node }: { failure: FailureJson; node?: string | undefined }) {
  const t = useT();
  return (
    <Notice tone="red">
      <div className="failure">
        <p>
          {node ? <b>{node}</b> : null} <code>{failure.reason}</code>
        </p>
        <p>{t.say(failure.message ?? "")}</p>
        {failure.hint ? <p className="advice">{t.say(failure.hint).replace(/`/g, "")}</p> : null}
      </div>
    </Notice>
  );
}
