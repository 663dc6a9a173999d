export default function ExecutionPage(_props: { id: string }) {
  return <div />;
}
