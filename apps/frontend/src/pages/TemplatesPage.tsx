export default function TemplatesPage(_props: object) {
  return <div />;
}
