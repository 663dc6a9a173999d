/** Words. English is the key, so that code reads as the page does; other languages are tables that a test keeps whole. */
import { createContext, type ReactNode, use, useEffect, useMemo, useState } from "react";

export type Language = "en" | "zh";
export type Translate = (text: string, values?: Record<string, string | number>) => string;

type Table = Record<string, string>;

const TABLES: Record<Exclude<Language, "en">, () => Promise<{ default: Table }>> = {
  zh: () => import("./zh"),
};

/** BCP 47 tags, for pages and for the engine. */
const TAGS: Record<Language, string> = { en: "en", zh: "zh-CN" };

interface Words {
  language: Language;
  tag: string;
  setLanguage(language: Language): void;
  t: Translate;
}

export function translate(
  table: Table | undefined,
  text: string,
  values?: Record<string, string | number>,
): string {
  const said = table?.[text] ?? text;
  return values ? said.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)) : said;
}

const Context = createContext<Words>({
  language: "en",
  tag: TAGS.en,
  setLanguage: () => undefined,
  t: (text, values) => translate(undefined, text, values),
});

function initial(): Language {
  const chosen = localStorage.getItem("language") ?? navigator.language;
  return chosen.startsWith("zh") ? "zh" : "en";
}

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(initial);
  const [table, setTable] = useState<Table | undefined>();
  const [ready, setReady] = useState(language === "en");
  useEffect(() => {
    let current = true;
    document.documentElement.lang = TAGS[language];
    localStorage.setItem("language", language);
    if (language === "en") {
      setTable(undefined);
      setReady(true);
    } else
      void TABLES[language]().then((loaded) => {
        if (!current) return;
        setTable(loaded.default);
        setReady(true);
      });
    return () => {
      current = false;
    };
  }, [language]);
  const words = useMemo<Words>(
    () => ({
      language,
      tag: TAGS[language],
      setLanguage,
      t: (text, values) => translate(table, text, values),
    }),
    [language, table],
  );
  return <Context value={words}>{ready ? children : null}</Context>;
}

export function useWords(): Words {
  return use(Context);
}

export function useT(): Translate {
  return use(Context).t;
}
