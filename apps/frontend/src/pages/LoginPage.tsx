/** The door. */
import { LogIn } from "lucide-react";
import { useState } from "react";
import { auth } from "~/api/contract";
import { call, setCsrf } from "~/api/transport";
import { useWords } from "~/i18n";
import { Button, Field, Input, messageOf, Notice } from "~/ui";
import "./pages.css";

export default function LoginPage({ oidc, onDone }: { oidc: string; onDone(): void }) {
  const { t, language, setLanguage } = useWords();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [wrong, setWrong] = useState("");
  return (
    <main className="login">
      <div className="card">
        <header className="row">
          <img src="/icon.svg" alt="" width={32} height={32} />
          <div>
            <h1 style={{ fontSize: 17 }}>Workflow Engine</h1>
            <p className="soft small">{t("Sign in to go on.")}</p>
          </div>
        </header>
        <form
          className="col"
          style={{ gap: 14 }}
          onSubmit={async (event) => {
            event.preventDefault();
            setBusy(true);
            setWrong("");
            try {
              const answer = await call(auth.signIn, { email, password });
              setCsrf(answer.csrfToken);
              onDone();
            } catch (error) {
              setWrong(messageOf(error, t));
              setBusy(false);
            }
          }}
        >
          <Field label={t("E-mail")}>
            {(id) => (
              <Input
                id={id}
                type="email"
                autoComplete="username"
                required
                value={email}
                onChange={(event) => setEmail(event.target.value)}
              />
            )}
          </Field>
          <Field label={t("Password")}>
            {(id) => (
              <Input
                id={id}
                type="password"
                autoComplete="current-password"
                required
                value={password}
                onChange={(event) => setPassword(event.target.value)}
              />
            )}
          </Field>
          {wrong ? <Notice tone="red">{wrong}</Notice> : null}
          <Button look="primary" type="submit" busy={busy}>
            <LogIn />
            {t("Sign in")}
          </Button>
          {oidc ? (
            <a className="button" href={oidc}>
              {t("Sign in with your organisation")}
            </a>
          ) : null}
        </form>
        <div>
          <Button look="ghost" small onClick={() => setLanguage(language === "en" ? "zh" : "en")}>
            {language === "en" ? "中文" : "English"}
          </Button>
        </div>
      </div>
    </main>
  );
}
