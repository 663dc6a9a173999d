export default function CommandMenu(_props: { onClose(): void }) {
  return <div />;
}
