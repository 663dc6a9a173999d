export default function ChatPanel(_: { onClose(): void }) {
  return <div />;
}
