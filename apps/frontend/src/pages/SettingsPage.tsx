export default function SettingsPage(_props: object) {
  return <div />;
}
