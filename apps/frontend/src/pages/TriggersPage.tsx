export default function TriggersPage(_props: object) {
  return <div />;
}
