/** What a new server shows in place of its workflows: the ways to get one. */
import { ArrowRight, LayoutTemplate, Sparkles, Workflow } from "lucide-react";
import type { ComponentType } from "react";
import { useT } from "~/i18n";

interface Way {
  icon: ComponentType;
  title: string;
  text: string;
  take(): void;
}

export function FirstWorkflow({
  onTemplate,
  onDraw,
  onDescribe,
  onImport,
}: {
  onTemplate(): void;
  onDraw(): void;
  onDescribe(): void;
  onImport(): void;
}) {
  const t = useT();
  const ways: Way[] = [
    {
      icon: LayoutTemplate,
      title: t("Start from a template"),
      text: t("Weather alerts, reports, approvals: fill in your addresses and run it."),
      take: onTemplate,
    },
    {
      icon: Workflow,
      title: t("Build it step by step"),
      text: t("Put steps on a canvas, connect them, and watch the data pass through."),
      take: onDraw,
    },
    {
      icon: Sparkles,
      title: t("Say it in your own words"),
      text: t("A language model draws it, and you look it over before anything runs."),
      take: onDescribe,
    },
  ];
  return (
    <section className="firstworkflow">
      <h2>{t("Your first workflow")}</h2>
      <p className="soft">
        {t("A workflow does its steps whenever you, a clock or another system starts it.")}
      </p>
      <div className="ways">
        {ways.map((way) => (
          <button key={way.title} type="button" className="card way" onClick={way.take}>
            <span className="wayicon">
              <way.icon />
            </span>
            <span className="strong">{way.title}</span>
            <span className="soft">{way.text}</span>
            <ArrowRight className="go" aria-hidden />
          </button>
        ))}
      </div>
      <p className="soft">
        {t("Coming from n8n, or have a file?")}{" "}
        <button type="button" className="link" onClick={onImport}>
          {t("Import it")}
        </button>
      </p>
    </section>
  );
}
