/** The bytes that an item refers to. */
import { type BinaryRefJson, workflows } from "~/api/contract";
import { call } from "~/api/transport";

/** All of a file, part by part. */
export async function fetched(executionId: string, ref: BinaryRefJson): Promise<Blob> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let offset = "0"; ; ) {
    const answer = await call(workflows.getExecutionFile, { executionId, fileId: ref.id ?? "", offset });
    parts.push(Uint8Array.from(atob(answer.content ?? ""), (char) => char.charCodeAt(0)));
    offset = String(answer.nextOffset ?? "0");
    if (offset === "0") return new Blob(parts, { type: ref.mediaType || "application/octet-stream" });
  }
}

export function saved(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
