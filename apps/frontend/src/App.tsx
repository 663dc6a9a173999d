/** The frame around every view, and which address shows which. */
import {
  Activity,
  CalendarClock,
  Inbox,
  KeyRound,
  LayoutTemplate,
  Moon,
  Search,
  Settings,
  Sun,
  Workflow,
} from "lucide-react";
import { type ComponentType, lazy, Suspense, useEffect, useState } from "react";
import { Link, Redirect, Route, Switch, useLocation } from "wouter";
import { triggers } from "./api/contract";
import { useCall } from "./api/hooks";
import { useWords } from "./i18n";
import { NoPage } from "./pages/NoPage";
import { WorkflowsPage } from "./pages/WorkflowsPage";
import { useTheme } from "./theme";
import { Button, Keys, Loading } from "./ui";
import { Boundary } from "./ui/Boundary";
import "./app.css";

const EditorPage = lazy(() => import("./pages/EditorPage"));
const ExecutionsPage = lazy(() => import("./pages/ExecutionsPage"));
const ExecutionPage = lazy(() => import("./pages/ExecutionPage"));
const ComparePage = lazy(() => import("./pages/ComparePage"));
const InboxPage = lazy(() => import("./pages/InboxPage"));
const TriggersPage = lazy(() => import("./pages/TriggersPage"));
const CredentialsPage = lazy(() => import("./pages/CredentialsPage"));
const TemplatesPage = lazy(() => import("./pages/TemplatesPage"));
const SettingsPage = lazy(() => import("./pages/SettingsPage"));
const CommandMenu = lazy(() => import("./pages/CommandMenu"));

interface Place {
  href: string;
  label: string;
  icon: ComponentType;
  count?: number | undefined;
}

export function App() {
  const { t } = useWords();
  const [location] = useLocation();
  const [commanding, setCommanding] = useState(false);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() === "k" && (event.metaKey || event.ctrlKey)) {
        event.preventDefault();
        setCommanding(true);
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  return (
    <div className="app">
      <a className="skip" href="#main">
        {t("Skip to content")}
      </a>
      <Sidebar onCommand={() => setCommanding(true)} />
      <main id="main" tabIndex={-1}>
        <Boundary key={location.split("/")[1]}>
          <Suspense fallback={<Loading />}>
            <Switch>
              <Route path="/" component={WorkflowsPage} />
              <Route path="/workflows/:id">{({ id }) => <EditorPage key={id} id={id} />}</Route>
              <Route path="/executions" component={ExecutionsPage} />
              <Route path="/executions/:id">{({ id }) => <ExecutionPage key={id} id={id} />}</Route>
              <Route path="/compare" component={ComparePage} />
              <Route path="/inbox/:id?" component={InboxPage} />
              <Route path="/triggers" component={TriggersPage} />
              <Route path="/credentials" component={CredentialsPage} />
              <Route path="/templates" component={TemplatesPage} />
              <Route path="/settings/:tab?" component={SettingsPage} />
              <Route path="/login">
                <Redirect to="/" />
              </Route>
              <Route>
                <NoPage back={{ href: "/", label: t("All workflows") }} />
              </Route>
            </Switch>
          </Suspense>
        </Boundary>
      </main>
      {commanding ? (
        <Suspense>
          <CommandMenu onClose={() => setCommanding(false)} />
        </Suspense>
      ) : null}
    </div>
  );
}

function Sidebar({ onCommand }: { onCommand(): void }) {
  const { t, language, setLanguage } = useWords();
  const { theme, setTheme } = useTheme();
  const [location] = useLocation();
  const open = useCall(triggers.listTasks, { statuses: ["TASK_STATUS_OPEN"], limit: 100 }, { every: 20_000 });
  const waiting = open.data?.tasks?.length;
  const places: Place[] = [
    { href: "/", label: t("Workflows"), icon: Workflow },
    { href: "/executions", label: t("Executions"), icon: Activity },
    { href: "/inbox", label: t("Inbox"), icon: Inbox, count: waiting },
    { href: "/triggers", label: t("Triggers"), icon: CalendarClock },
    { href: "/credentials", label: t("Credentials"), icon: KeyRound },
    { href: "/templates", label: t("Templates"), icon: LayoutTemplate },
    { href: "/settings", label: t("Settings"), icon: Settings },
  ];
  const isAt = (href: string) =>
    href === "/" ? location === "/" || location.startsWith("/workflows") : location.startsWith(href);
  return (
    <aside className={location.startsWith("/workflows/") ? "sidebar narrow" : "sidebar"}>
      <Link href="/" className="brand" aria-label="Workflow Engine">
        <img src="/icon.svg" alt="" width={24} height={24} />
        <span>Workflow Engine</span>
      </Link>
      <button type="button" className="searchbox" onClick={onCommand}>
        <Search aria-hidden />
        <span>{t("Search")}</span>
        <Keys of="mod+k" />
      </button>
      <nav aria-label={t("Main")}>
        {places.map(({ href, label, icon: Icon, count }) => (
          <Link
            key={href}
            href={href}
            className="place"
            aria-current={isAt(href) ? "page" : undefined}
            title={label}
          >
            <Icon />
            <span>{label}</span>
            {count ? <b className="count">{count}</b> : null}
          </Link>
        ))}
      </nav>
      <div className="sidefoot">
        <Button
          look="ghost"
          icon
          label={theme === "dark" ? t("Light theme") : t("Dark theme")}
          onClick={() => setTheme(theme === "dark" ? "light" : "dark")}
        >
          {theme === "dark" ? <Sun /> : <Moon />}
        </Button>
        <Button
          look="ghost"
          icon
          label={language === "en" ? "中文" : "English"}
          onClick={() => setLanguage(language === "en" ? "zh" : "en")}
        >
          <span aria-hidden>{language === "en" ? "中" : "En"}</span>
        </Button>
      </div>
    </aside>
  );
}
