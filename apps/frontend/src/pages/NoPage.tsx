/** In place of a page that can not be shown: why, and the way back. */
import { ArrowLeft, CircleAlert, FileQuestion, RotateCcw } from "lucide-react";
import { Link } from "wouter";
import { ApiError } from "~/api/transport";
import { useT } from "~/i18n";
import { Button, Empty, messageOf } from "~/ui";

export function NoPage({
  error,
  retry,
  back,
}: {
  /** Nothing when the address itself leads nowhere. */
  error?: unknown;
  retry?: () => void;
  back: { href: string; label: string };
}) {
  const t = useT();
  const isMissing = !error || (error instanceof ApiError && error.status === 404);
  return (
    <div className="nopage">
      <Empty
        whole
        icon={isMissing ? FileQuestion : CircleAlert}
        title={isMissing ? t("There is nothing here") : t("This page could not be loaded")}
        actions={
          <>
            <Link href={back.href} className="button">
              <ArrowLeft />
              {back.label}
            </Link>
            {retry && !isMissing ? (
              <Button look="primary" onClick={retry}>
                <RotateCcw />
                {t("Try again")}
              </Button>
            ) : null}
          </>
        }
      >
        {isMissing ? t("The address leads nowhere. It may have been deleted.") : null}
        {error ? <code>{messageOf(error, t)}</code> : null}
      </Empty>
    </div>
  );
}
