/** Server state, cached. */

import type { DescMethodUnary } from "@bufbuild/protobuf";
import {
  keepPreviousData,
  QueryClient,
  type UseQueryResult,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useWords } from "~/i18n";
import { messageOf, toast } from "~/ui";
import { workflows } from "./contract";
import { ApiError, call, type Input, type Output } from "./transport";

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      refetchOnWindowFocus: true,
      retry: (count, error) =>
        count < 2 && !(error instanceof ApiError && error.status >= 400 && error.status < 502),
    },
  },
});

/** The answer of a call, kept under its name and request. */
export function useCall<M extends DescMethodUnary>(
  method: M,
  request: Input<M>,
  options: { enabled?: boolean; every?: number; keep?: boolean } = {},
): UseQueryResult<Output<M>, Error> {
  return useQuery({
    queryKey: [method.name, request],
    queryFn: ({ signal }) => call(method, request, { signal }),
    ...(options.enabled === undefined ? {} : { enabled: options.enabled }),
    ...(options.every ? { refetchInterval: options.every } : {}),
    ...(options.keep ? { placeholderData: keepPreviousData } : {}),
  }) as UseQueryResult<Output<M>, Error>;
}

/** A call that changes something; afterwards the answers of the named calls are asked for anew. */
export function useChange<M extends DescMethodUnary>(
  method: M,
  stale: string[],
  options: { done?(answer: Output<M>): void; failed?(): void; quiet?: boolean } = {},
) {
  const client = useQueryClient();
  const { t } = useWords();
  return useMutation<Output<M>, Error, Input<M>>({
    mutationFn: (request) => call(method, request),
    onSuccess: async (answer) => {
      options.done?.(answer);
      await Promise.all(stale.map((name) => client.invalidateQueries({ queryKey: [name] })));
    },
    onError: (error) => {
      options.failed?.();
      if (!options.quiet) toast("red", messageOf(error, t));
    },
  });
}

/** Node types change only when the server does. */
export function useNodeTypes() {
  const { tag } = useWords();
  return useQuery({
    queryKey: ["ListNodeTypes", tag],
    queryFn: () => call(workflows.listNodeTypes, { language: tag }),
    staleTime: Number.POSITIVE_INFINITY,
    select: (answer) => answer.nodeTypes ?? [],
  });
}
