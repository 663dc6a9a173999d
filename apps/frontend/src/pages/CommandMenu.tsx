/** Everything, by its name. */
import { Command } from "cmdk";
import {
  Activity,
  CalendarClock,
  Inbox,
  KeyRound,
  Languages,
  LayoutTemplate,
  Moon,
  Plus,
  Search,
  Settings,
  Workflow,
} from "lucide-react";
import { Dialog as RadixDialog } from "radix-ui";
import { useState } from "react";
import { useLocation } from "wouter";
import { workflows } from "~/api/contract";
import { useCall, useChange } from "~/api/hooks";
import { score } from "~/editor/score";
import { useWords } from "~/i18n";
import { useTheme } from "~/theme";
import "~/ui/palette.css";

export default function CommandMenu({ onClose }: { onClose(): void }) {
  const { t, language, setLanguage } = useWords();
  const { theme, setTheme } = useTheme();
  const [, go] = useLocation();
  const [search, setSearch] = useState("");
  const found = useCall(workflows.listWorkflows, { query: search, limit: 12 }, { keep: true });
  const create = useChange(workflows.createWorkflow, ["ListWorkflows"], {
    done: (answer) => go(`/workflows/${answer.workflow?.id}`),
  });
  const act = (what: () => void) => () => {
    onClose();
    what();
  };
  const places = [
    { label: t("Workflows"), href: "/", icon: Workflow },
    { label: t("Executions"), href: "/executions", icon: Activity },
    { label: t("Inbox"), href: "/inbox", icon: Inbox },
    { label: t("Triggers"), href: "/triggers", icon: CalendarClock },
    { label: t("Credentials"), href: "/credentials", icon: KeyRound },
    { label: t("Templates"), href: "/templates", icon: LayoutTemplate },
    { label: t("Settings"), href: "/settings", icon: Settings },
  ];
  return (
    <RadixDialog.Root open onOpenChange={(open) => !open && onClose()}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="veil" />
        <RadixDialog.Content className="palette" aria-describedby={undefined}>
          <RadixDialog.Title className="sr">{t("Search")}</RadixDialog.Title>
          <Command label={t("Search")} loop filter={score}>
            <div className="palettehead">
              <Search aria-hidden />
              <Command.Input
                autoFocus
                placeholder={t("Search workflows and commands…")}
                value={search}
                onValueChange={setSearch}
              />
            </div>
            <Command.List>
              <Command.Empty>{t("Nothing found")}</Command.Empty>
              <Command.Group heading={t("Workflows")}>
                {(found.data?.workflows ?? []).map((each) => (
                  <Command.Item
                    key={each.id}
                    value={`${each.name} ${each.id}`}
                    keywords={[each.description ?? ""]}
                    onSelect={act(() => go(`/workflows/${each.id}`))}
                  >
                    <Workflow />
                    <span className="clip">{each.name}</span>
                  </Command.Item>
                ))}
              </Command.Group>
              <Command.Group heading={t("Go to")}>
                {places.map((place) => (
                  <Command.Item key={place.href} value={place.label} onSelect={act(() => go(place.href))}>
                    <place.icon />
                    {place.label}
                  </Command.Item>
                ))}
              </Command.Group>
              <Command.Group heading={t("Do")}>
                <Command.Item
                  value={t("New workflow")}
                  onSelect={act(() => create.mutate({ name: t("New workflow") }))}
                >
                  <Plus />
                  {t("New workflow")}
                </Command.Item>
                <Command.Item
                  value={theme === "dark" ? t("Light theme") : t("Dark theme")}
                  onSelect={act(() => setTheme(theme === "dark" ? "light" : "dark"))}
                >
                  <Moon />
                  {theme === "dark" ? t("Light theme") : t("Dark theme")}
                </Command.Item>
                <Command.Item
                  value="Language 语言 中文 English"
                  onSelect={act(() => setLanguage(language === "en" ? "zh" : "en"))}
                >
                  <Languages />
                  {language === "en" ? "中文" : "English"}
                </Command.Item>
              </Command.Group>
            </Command.List>
          </Command>
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}
