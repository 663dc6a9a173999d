export default function ComparePage(_props: object) {
  return <div />;
}
