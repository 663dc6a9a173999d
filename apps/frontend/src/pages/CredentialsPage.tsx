export default function CredentialsPage(_props: object) {
  return <div />;
}
