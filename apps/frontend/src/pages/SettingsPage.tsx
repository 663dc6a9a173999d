/** How the editor looks, who one is, and for admins: people and what they did. */
import { FolderKey, KeyRound, MonitorSmartphone, Palette, ScrollText, Users } from "lucide-react";
import type { ComponentType } from "react";
import { Link, useParams } from "wouter";
import { useSession } from "~/api/session";
import { useWords } from "~/i18n";
import { Account } from "./settings/Account";
import { Audit } from "./settings/Audit";
import { Keys } from "./settings/Keys";
import { Look } from "./settings/Look";
import { People } from "./settings/People";
import { Projects } from "./settings/Projects";
import "./pages.css";

export default function SettingsPage() {
  const { t } = useWords();
  const { tab = "look" } = useParams<{ tab?: string }>();
  const { may, secured } = useSession();
  const isAdmin = may("PERMISSION_ADMIN");
  const tabs: { id: string; label: string; icon: ComponentType; show: boolean }[] = [
    { id: "look", label: t("Look and language"), icon: Palette, show: true },
    { id: "account", label: t("Account"), icon: MonitorSmartphone, show: true },
    { id: "keys", label: t("API keys"), icon: KeyRound, show: true },
    { id: "users", label: t("Users"), icon: Users, show: isAdmin },
    { id: "projects", label: t("Projects"), icon: FolderKey, show: isAdmin && secured },
    { id: "audit", label: t("Audit log"), icon: ScrollText, show: isAdmin },
  ];
  return (
    <div className="page">
      <header className="pagehead">
        <h1>{t("Settings")}</h1>
      </header>
      <div className="settings">
        <nav aria-label={t("Settings")}>
          {tabs
            .filter((each) => each.show)
            .map((each) => (
              <Link
                key={each.id}
                href={`/settings/${each.id}`}
                className="place"
                aria-current={each.id === tab ? "page" : undefined}
              >
                <each.icon />
                {each.label}
              </Link>
            ))}
        </nav>
        <div className="panel">
          {tab === "account" ? (
            <Account />
          ) : tab === "keys" ? (
            <Keys />
          ) : tab === "users" ? (
            <People />
          ) : tab === "projects" ? (
            <Projects />
          ) : tab === "audit" ? (
            <Audit />
          ) : (
            <Look />
          )}
        </div>
      </div>
    </div>
  );
}
