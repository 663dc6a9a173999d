/** Keeps a mistake in one view from taking the whole page away. */
import { RotateCcw } from "lucide-react";
import { Component, type ReactNode } from "react";
import { useT } from "~/i18n";
import { Button, Notice } from ".";

interface State {
  error: Error | undefined;
}

export class Boundary extends Component<{ children: ReactNode }, State> {
  override state: State = { error: undefined };

  static getDerivedStateFromError(error: Error): State {
    return { error };
  }

  override render() {
    const { error } = this.state;
    return error ? (
      <Broken error={error} onAgain={() => this.setState({ error: undefined })} />
    ) : (
      this.props.children
    );
  }
}

function Broken({ error, onAgain }: { error: Error; onAgain(): void }) {
  const t = useT();
  return (
    <div className="page">
      <Notice tone="red">
        <div className="col">
          <span>{t("This view has made a mistake. What is stored is safe.")}</span>
          <code>{error.message}</code>
          <div>
            <Button small onClick={onAgain}>
              <RotateCcw />
              {t("Try again")}
            </Button>
          </div>
        </div>
      </Notice>
    </div>
  );
}
