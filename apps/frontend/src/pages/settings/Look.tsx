/** Theme, language, and the keys that work. */
import { useWords } from "~/i18n";
import { useTheme } from "~/theme";
import { Segments } from "~/ui";

export function Look() {
  const { t, language, setLanguage } = useWords();
  const { theme, setTheme } = useTheme();
  return (
    <section>
      <h2>{t("Look and language")}</h2>
      <div className="row between">
        <span>{t("Theme")}</span>
        <Segments
          label={t("Theme")}
          value={theme}
          onChange={setTheme}
          options={[
            { value: "light", label: t("Light") },
            { value: "dark", label: t("Dark") },
          ]}
        />
      </div>
      <div className="row between">
        <span>{t("Language")}</span>
        <Segments
          label={t("Language")}
          value={language}
          onChange={setLanguage}
          options={[
            { value: "en", label: "English" },
            { value: "zh", label: "中文" },
          ]}
        />
      </div>
      <h2 className="hide-small" style={{ marginTop: 12 }}>
        {t("Keyboard")}
      </h2>
      <dl className="facts shortcuts hide-small">
        {SHORTCUTS.map(([keys, what]) => (
          <div key={keys} style={{ display: "contents" }}>
            <dt>
              {keys.split(", ").map((one) => (
                <span key={one} className="combination">
                  {one.split(" ").map((key) => (
                    <kbd key={key}>{key === "Arrows" ? "← ↑ → ↓" : key}</kbd>
                  ))}
                </span>
              ))}
            </dt>
            <dd>{t(what)}</dd>
          </div>
        ))}
      </dl>
      <p className="soft">
        <a className="link" href="/docs">
          {t("API reference")}
        </a>
      </p>
    </section>
  );
}

const SHORTCUTS: [string, string][] = [
  ["Ctrl K", "Search everything"],
  ["A", "Add a node after the chosen one"],
  ["C", "Connect the chosen node to another"],
  ["N", "Choose the next node"],
  ["E, Enter", "Edit the chosen node"],
  ["P", "Pin its output"],
  ["X", "Switch it off or on"],
  ["Del", "Remove what is chosen"],
  ["Ctrl Enter", "Run the draft"],
  ["Ctrl Z, Ctrl Shift Z", "Undo, redo"],
  ["Ctrl C, Ctrl X, Ctrl V, Ctrl D", "Copy, cut, paste, duplicate"],
  ["Ctrl A", "Choose all nodes"],
  ["Arrows", "Move the chosen nodes"],
  ["L, F, +, −", "Arrange, show all, zoom"],
  ["Ctrl J", "Open the assistant"],
];
