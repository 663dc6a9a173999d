export default function ExecutionsPage(_props: object) {
  return <div />;
}
