import "@fontsource-variable/inter/index.css";
import "@fontsource-variable/jetbrains-mono/index.css";
import "./styles/tokens.css";
import "./styles/base.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./App";
import { queries } from "./api/hooks";
import { SessionGate } from "./api/session";
import { LanguageProvider } from "./i18n";
import { TipProvider, Toasts } from "./ui";

const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <LanguageProvider>
        <QueryClientProvider client={queries}>
          <TipProvider>
            <SessionGate>
              <App />
            </SessionGate>
            <Toasts />
          </TipProvider>
        </QueryClientProvider>
      </LanguageProvider>
    </StrictMode>,
  );
