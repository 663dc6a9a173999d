/** On the canvas: add, arrange, zoom. */
import { useReactFlow } from "@xyflow/react";
import { LayoutGrid, Maximize, Plus, ZoomIn, ZoomOut } from "lucide-react";
import type { ReactNode } from "react";
import { useT } from "~/i18n";
import { Button } from "~/ui";
import { layOut, WHOLE } from "./commands";
import { useEditorStore } from "./store";

export function CanvasTools({ onAdd }: { onAdd(): void }) {
  const t = useT();
  const store = useEditorStore();
  const { fitView } = useReactFlow();
  return (
    <div className="canvastools">
      <Button look="primary" icon label={t("Add a node")} keys="A" onClick={onAdd}>
        <Plus />
      </Button>
      <ViewTools>
        <Button
          look="ghost"
          icon
          label={t("Arrange")}
          keys="L"
          onClick={() => void layOut(store).then(() => fitView(WHOLE))}
        >
          <LayoutGrid />
        </Button>
      </ViewTools>
    </div>
  );
}

/** From how near the drawing is seen. */
export function ViewTools({ children }: { children?: ReactNode }) {
  const t = useT();
  const { fitView, zoomIn, zoomOut } = useReactFlow();
  return (
    <div className="toolgroup">
      {children}
      <Button look="ghost" icon label={t("Show all")} keys="F" onClick={() => void fitView(WHOLE)}>
        <Maximize />
      </Button>
      <Button look="ghost" icon label={t("Zoom in")} keys="+" onClick={() => void zoomIn({ duration: 120 })}>
        <ZoomIn />
      </Button>
      <Button
        look="ghost"
        icon
        label={t("Zoom out")}
        keys="-"
        onClick={() => void zoomOut({ duration: 120 })}
      >
        <ZoomOut />
      </Button>
    </div>
  );
}
