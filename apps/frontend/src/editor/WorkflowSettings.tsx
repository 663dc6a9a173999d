export default function WorkflowSettings(_: { onClose(): void }) {
  return <div />;
}
