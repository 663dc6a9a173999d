/** Words. English is the key, so that code reads as the page does; other languages are tables that a test keeps whole. */
import { createContext, type ReactNode, use, useEffect, useMemo, useState } from "react";
import { type Say, saying } from "./engine";

export type Language = "en" | "zh";
export interface Translate {
  /** Says what the editor says. */
  (text: string, values?: Record<string, string | number>): string;
  /** Says what the engine has said. */
  say: Say;
}

type Table = Record<string, string>;

interface Tables {
  /** What the editor says. */
  own: Table;
  /** What the engine says. */
  engine: Table;
}

const TABLES: Record<Exclude<Language, "en">, () => Promise<Tables>> = {
  zh: async () => {
    const [own, engine] = await Promise.all([import("./zh"), import("./engine.zh.json")]);
    return { own: own.default, engine: engine.default };
  },
};

/** BCP 47 tags, for pages and for the engine. */
const TAGS: Record<Language, string> = { en: "en", zh: "zh-CN" };

interface Words {
  language: Language;
  tag: string;
  setLanguage(language: Language): void;
  t: Translate;
}

function speaker(tables: Tables | undefined): Translate {
  return Object.assign(
    (text: string, values?: Record<string, string | number>) => translate(tables?.own, text, values),
    { say: tables ? saying(tables.engine) : (text: string) => text },
  );
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
  t: speaker(undefined),
});

function initial(): Language {
  const chosen = localStorage.getItem("language") ?? navigator.language;
  return chosen.startsWith("zh") ? "zh" : "en";
}

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(initial);
  const [tables, setTables] = useState<Tables | undefined>();
  const [ready, setReady] = useState(language === "en");
  useEffect(() => {
    let current = true;
    document.documentElement.lang = TAGS[language];
    localStorage.setItem("language", language);
    if (language === "en") {
      setTables(undefined);
      setReady(true);
    } else
      void TABLES[language]().then((loaded) => {
        if (!current) return;
        setTables(loaded);
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
      t: speaker(tables),
    }),
    [language, tables],
  );
  return <Context value={words}>{ready ? children : null}</Context>;
}

export function useWords(): Words {
  return use(Context);
}

export function useT(): Translate {
  return use(Context).t;
}
