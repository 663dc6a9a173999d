export default function VersionsPanel(_: { onClose(): void }) {
  return <div />;
}
