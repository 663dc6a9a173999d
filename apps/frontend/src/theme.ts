/** Dark and light. The first paint is theme.js's work. */
import { create } from "zustand";

type Theme = "light" | "dark";

export const useTheme = create<{ theme: Theme; setTheme(theme: Theme): void }>((set) => ({
  theme: document.documentElement.dataset.theme === "dark" ? "dark" : "light",
  setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
    set({ theme });
  },
}));
