import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

/** The engine serves the built files, so they are built into its package. */
const outDir = resolve(import.meta.dirname, "../backend/workflow_engine/workflow_engine/api/static");

/** Writes each text file compressed beside itself: the engine sends it as it is, and spends nothing on it. */
function precompressed(): Plugin {
  return {
    name: "precompressed",
    apply: "build",
    closeBundle() {
      for (const entry of readdirSync(outDir, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(js|css|html|svg|json)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const content = readFileSync(path);
        writeFileSync(
          `${path}.br`,
          brotliCompressSync(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 10 } }),
        );
        writeFileSync(`${path}.gz`, gzipSync(content));
      }
    },
  };
}

const engine = process.env.ENGINE ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [react(), precompressed()],
  resolve: { alias: { "~": resolve(import.meta.dirname, "src") } },
  build: { outDir, emptyOutDir: true, target: "es2022", manifest: true, chunkSizeWarningLimit: 900 },
  server: { proxy: { "/v1": engine, "/webhooks": engine, "/openapi.json": engine } },
  test: { environment: "jsdom", include: ["tests/**/*.test.{ts,tsx}"] },
} as Parameters<typeof defineConfig>[0]);
