// Writes src/api/gen from apps/backend/shared/proto with protoc-gen-es. With --check: fails when what is committed is
// not what the contract gives. protoc is grpcio-tools' own, from the backend's environment; PYTHON names another one.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "..");
const backend = resolve(root, "../backend/workflow_engine");
const protos = resolve(process.env.PROTOS ?? join(root, "../backend/shared/proto"));
const committed = join(root, "src/api/gen");
const venv = process.env.VIRTUAL_ENV ?? join(backend, ".venv");
const python = process.env.PYTHON ?? join(venv, "bin/python");

function generate(target) {
  const where = execFileSync(python, [
    "-c",
    "import sysconfig, grpc_tools, os; print(sysconfig.get_path('purelib')); print(os.path.dirname(grpc_tools.__file__))",
  ])
    .toString()
    .trim()
    .split("\n");
  const ours = readdirSync(join(protos, "engine"))
    .filter((name) => name.endsWith(".proto"))
    .map((name) => `engine/${name}`);
  execFileSync(
    python,
    [
      "-m",
      "grpc_tools.protoc",
      `-I${protos}`,
      `-I${where[0]}`,
      `-I${join(where[1], "_proto")}`,
      `--plugin=protoc-gen-es=${join(root, "node_modules/.bin/protoc-gen-es")}`,
      `--es_out=${target}`,
      "--es_opt=target=ts,json_types=true",
      ...ours,
      "google/api/annotations.proto",
      "google/api/http.proto",
    ],
    { stdio: "inherit" },
  );
}

function files(folder) {
  if (!existsSync(folder)) return {};
  const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".ts"));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

if (process.argv.includes("--check")) {
  const fresh = mkdtempSync(join(tmpdir(), "gen-"));
  generate(fresh);
  const same = JSON.stringify(files(fresh)) === JSON.stringify(files(committed));
  rmSync(fresh, { recursive: true });
  if (!same) {
    console.error("src/api/gen is stale: run `make proto` and commit what it writes");
    process.exit(1);
  }
} else {
  rmSync(committed, { recursive: true, force: true });
  mkdirSync(committed, { recursive: true });
  generate(committed);
}
