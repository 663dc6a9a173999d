export default function InboxPage(_props: object) {
  return <div />;
}
