/** Where a webhook is called: the published one, and for a test the draft, once. */
import { Copy, Radio } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { triggers } from "~/api/contract";
import { useCall } from "~/api/hooks";
import { stream } from "~/api/transport";
import { useT } from "~/i18n";
import type { Node } from "~/model/graph";
import { Button, messageOf, toast } from "~/ui";
import { useEditorStore } from "./store";

export function Address({ node }: { node: Node }) {
  const t = useT();
  const store = useEditorStore();
  const workflowId = store.getState().id;
  const list = useCall(triggers.listTriggers, { workflowId, limit: 100 });
  const live = list.data?.triggers?.find((trigger) => trigger.nodeId === node.id)?.webhookUrl;
  const [test, setTest] = useState("");
  const abort = useRef<AbortController>(undefined);
  useEffect(() => () => abort.current?.abort(), []);
  const listen = async () => {
    abort.current?.abort();
    const mine = new AbortController();
    abort.current = mine;
    try {
      if (!(await store.getState().save())) throw store.getState().trouble;
      for await (const told of stream(triggers.listenTrigger, { workflowId, nodeId: node.id }, mine.signal)) {
        if (told.url) setTest(told.url);
        if (told.executionId) {
          toast("green", t("The test call has come"));
          void store.getState().watch(told.executionId);
        }
      }
    } catch (error) {
      if (!mine.signal.aborted) toast("red", t("It can not listen"), { text: messageOf(error, t) });
    } finally {
      if (abort.current === mine) setTest("");
    }
  };
  const copied = (text: string) =>
    void navigator.clipboard.writeText(text).then(() => toast("green", t("Copied")));
  return (
    <div className="address">
      {live ? (
        <>
          <span className="small soft">{t("Its address, for the published version")}</span>
          <div className="row">
            <code className="grow">{live}</code>
            <Button small icon look="ghost" label={t("Copy")} onClick={() => copied(live)}>
              <Copy />
            </Button>
          </div>
        </>
      ) : (
        <span className="small soft">{t("It has an address once the workflow is published.")}</span>
      )}
      {test ? (
        <>
          <span className="small soft" role="status">
            {t("Call this now; the draft runs with what comes.")}
          </span>
          <div className="row">
            <code className="grow testurl">{test}</code>
            <Button small icon look="ghost" label={t("Copy")} onClick={() => copied(test)}>
              <Copy />
            </Button>
          </div>
          <div>
            <Button small onClick={() => abort.current?.abort()}>
              {t("Stop listening")}
            </Button>
          </div>
        </>
      ) : (
        <div>
          <Button small onClick={() => void listen()}>
            <Radio />
            {t("Listen for a test call")}
          </Button>
        </div>
      )}
    </div>
  );
}
