/** An execution that is followed while it goes on. */
import { useEffect, useState } from "react";
import { type ExecutionJson, type NodeRunJson, workflows } from "~/api/contract";
import { call, stream } from "~/api/transport";
import { hasEnded } from "~/model/runs";

export interface Followed {
  execution: ExecutionJson | undefined;
  runs: NodeRunJson[];
  error: unknown;
}

export function useExecution(id: string): Followed & { refresh(): void } {
  const [state, setState] = useState<Followed>({ execution: undefined, runs: [], error: undefined });
  const [turn, setTurn] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `turn` asks again
  useEffect(() => {
    if (!id) return;
    const abort = new AbortController();
    const follow = async () => {
      const read = async () => {
        const answer = await call(
          workflows.getExecutionStatus,
          { executionId: id },
          { signal: abort.signal },
        );
        const execution = answer.execution;
        setState({ execution, runs: execution?.nodeRuns ?? [], error: undefined });
        return execution;
      };
      let execution = await read();
      while (!hasEnded(execution) && !abort.signal.aborted) {
        const byAddress = new Map((execution?.nodeRuns ?? []).map((run) => [run.address ?? "", run]));
        const from = String(Number(execution?.lastSeq ?? 0) + 1);
        for await (const update of stream(
          workflows.watchExecution,
          { executionId: id, fromSeq: from },
          abort.signal,
        )) {
          for (const run of update.nodeRuns ?? []) byAddress.set(run.address ?? "", run);
          setState((before) => ({
            ...before,
            execution: { ...before.execution, ...(update.status ? { status: update.status } : {}) },
            runs: [...byAddress.values()],
          }));
        }
        execution = await read();
      }
    };
    follow().catch((error) => {
      if (!abort.signal.aborted) setState((before) => ({ ...before, error }));
    });
    return () => abort.abort();
  }, [id, turn]);
  return { ...state, refresh: () => setTurn((before) => before + 1) };
}
