/** The parts that views are made of: Radix's behaviour under our own look. */

import { AlertTriangle, CheckCircle2, Info, LoaderCircle, Trash2, X, XCircle } from "lucide-react";
import {
  DropdownMenu,
  Dialog as RadixDialog,
  Popover as RadixPopover,
  Switch as RadixSwitch,
  Tabs as RadixTabs,
  Toast as RadixToast,
  Tooltip as RadixTooltip,
} from "radix-ui";
import {
  type ButtonHTMLAttributes,
  type ComponentType,
  type InputHTMLAttributes,
  type ReactNode,
  type Ref,
  type SelectHTMLAttributes,
  type TextareaHTMLAttributes,
  useId,
} from "react";
import { create } from "zustand";
import { ApiError } from "~/api/transport";
import { type Translate, useT } from "~/i18n";
import "./ui.css";

export type Tone = "green" | "red" | "amber" | "blue" | "accent" | "grey";

function classes(...names: (string | false | undefined)[]): string {
  return names.filter(Boolean).join(" ");
}

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: "primary" | "ghost" | "danger";
  small?: boolean;
  /** Only an icon: `label` says it to those who do not see it, and as a tooltip to those who do. */
  icon?: boolean;
  label?: string;
  keys?: string;
  on?: boolean;
  busy?: boolean;
  ref?: Ref<HTMLButtonElement>;
}

export function Button({
  look,
  small,
  icon,
  label,
  keys,
  on,
  busy,
  className,
  children,
  ...rest
}: ButtonProps) {
  const button = (
    <button
      type="button"
      aria-label={icon ? label : undefined}
      aria-pressed={on === undefined ? undefined : on}
      {...rest}
      disabled={rest.disabled || busy}
      className={classes("button", look, small && "small", icon && "icon", on && "on", className)}
    >
      {busy ? <LoaderCircle className="spin" aria-hidden /> : children}
    </button>
  );
  return label && icon ? (
    <Tip text={label} {...(keys ? { keys } : {})}>
      {button}
    </Tip>
  ) : (
    button
  );
}

export function Tip({ text, keys, children }: { text: string; keys?: string; children: ReactNode }) {
  return (
    <RadixTooltip.Root delayDuration={350}>
      <RadixTooltip.Trigger asChild>{children}</RadixTooltip.Trigger>
      <RadixTooltip.Portal>
        <RadixTooltip.Content className="tip" sideOffset={5} collisionPadding={8}>
          {text}
          {keys ? <Keys of={keys} /> : null}
        </RadixTooltip.Content>
      </RadixTooltip.Portal>
    </RadixTooltip.Root>
  );
}

const MAC = /Mac|iPhone|iPad/.test(navigator.userAgent);

/** Keys as the machine at hand names them: "mod+k" is ⌘K or Ctrl K. */
export function Keys({ of }: { of: string }) {
  const words = of.split("+").map((key) => {
    if (key === "mod") return MAC ? "⌘" : "Ctrl";
    if (key === "shift") return MAC ? "⇧" : "Shift";
    if (key === "enter") return "↵";
    return key.length === 1 ? key.toUpperCase() : key;
  });
  return (
    <kbd className="keys" aria-hidden>
      {words.join(MAC ? "" : " ")}
    </kbd>
  );
}

interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  wrong?: string | undefined;
  required?: boolean;
  beside?: ReactNode;
  children: (id: string) => ReactNode;
}

export function Field({ label, hint, wrong, required, beside, children }: FieldProps) {
  const id = useId();
  return (
    <div className="field">
      <div className="label">
        <label htmlFor={id} className="clip">
          {label}
          {required ? (
            <span className="required" aria-hidden>
              {" *"}
            </span>
          ) : null}
        </label>
        {beside}
      </div>
      {children(id)}
      {wrong ? (
        <p className="wrong" role="alert">
          {wrong}
        </p>
      ) : null}
      {hint ? <p className="hint">{hint}</p> : null}
    </div>
  );
}

export function Input({
  className,
  ...rest
}: InputHTMLAttributes<HTMLInputElement> & { ref?: Ref<HTMLInputElement> }) {
  return <input autoComplete="off" {...rest} className={classes("input", className)} />;
}

export function Textarea({
  className,
  ...rest
}: TextareaHTMLAttributes<HTMLTextAreaElement> & { ref?: Ref<HTMLTextAreaElement> }) {
  return <textarea {...rest} className={classes("textarea", className)} />;
}

export function Select({
  options,
  className,
  ...rest
}: SelectHTMLAttributes<HTMLSelectElement> & {
  options: { value: string; label: string; disabled?: boolean }[];
}) {
  return (
    <select {...rest} className={classes("select", className)}>
      {options.map((option) => (
        <option key={option.value} value={option.value} disabled={option.disabled}>
          {option.label}
        </option>
      ))}
    </select>
  );
}

export function Switch({
  id,
  checked,
  onChange,
  label,
  disabled,
}: {
  id?: string;
  checked: boolean;
  onChange(checked: boolean): void;
  label?: string;
  disabled?: boolean;
}) {
  return (
    <RadixSwitch.Root
      className="switch"
      checked={checked}
      onCheckedChange={onChange}
      {...(id ? { id } : {})}
      {...(label ? { "aria-label": label } : {})}
      {...(disabled ? { disabled } : {})}
    >
      <RadixSwitch.Thumb />
    </RadixSwitch.Root>
  );
}

export function Badge({ tone = "grey", dot, children }: { tone?: Tone; dot?: boolean; children: ReactNode }) {
  return (
    <span className={classes("badge", tone)}>
      {dot ? <span className="dot" aria-hidden /> : null}
      {children}
    </span>
  );
}

interface DialogProps {
  open: boolean;
  onClose(): void;
  title: string;
  hint?: ReactNode;
  wide?: boolean;
  children: ReactNode;
  footer?: ReactNode;
}

/** Where typing begins when a dialog opens: its first field, or the safe button of a question. */
const FIRST = [
  ".body :is(input, textarea, select, [contenteditable='true']):not(:disabled, [type='hidden'])",
  "footer .button:not(:disabled)",
].join();

export function Dialog({ open, onClose, title, hint, wide, children, footer }: DialogProps) {
  const t = useT();
  return (
    <RadixDialog.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="veil" />
        <RadixDialog.Content
          className={classes("dialog", wide && "wide")}
          {...(hint ? {} : { "aria-describedby": undefined })}
          onOpenAutoFocus={(event) => {
            const first = (event.currentTarget as HTMLElement).querySelector<HTMLElement>(FIRST);
            if (!first) return;
            event.preventDefault();
            first.focus();
          }}
        >
          <header>
            <div className="col" style={{ gap: 2 }}>
              <RadixDialog.Title asChild>
                <h2>{title}</h2>
              </RadixDialog.Title>
              {hint ? <RadixDialog.Description className="soft small">{hint}</RadixDialog.Description> : null}
            </div>
            <RadixDialog.Close asChild>
              <button type="button" className="button ghost small icon" aria-label={t("Close")}>
                <X />
              </button>
            </RadixDialog.Close>
          </header>
          <div className="body">{children}</div>
          {footer ? <footer>{footer}</footer> : null}
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

/** Asks before something is deleted. It is open while it has a name. */
export function DeleteDialog({
  name,
  hint,
  busy,
  onClose,
  onDelete,
}: {
  name: string | undefined;
  /** What becomes of what rests on it. */
  hint: string;
  busy: boolean;
  onClose(): void;
  onDelete(): void;
}) {
  const t = useT();
  return (
    <Dialog
      open={name !== undefined}
      onClose={onClose}
      title={t("Delete {name}?", { name: name ?? "" })}
      hint={hint}
      footer={
        <>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button look="danger" busy={busy} onClick={onDelete}>
            <Trash2 />
            {t("Delete")}
          </Button>
        </>
      }
    >
      {null}
    </Dialog>
  );
}

export interface MenuItem {
  label: string;
  icon?: ComponentType;
  keys?: string;
  danger?: boolean;
  disabled?: boolean;
  onSelect(): void;
}

export function Menu({
  items,
  children,
  align = "end",
}: {
  items: (MenuItem | "line")[];
  children: ReactNode;
  align?: "start" | "end";
}) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild>{children}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align={align} sideOffset={5} collisionPadding={8}>
          {items.map((item, index) =>
            item === "line" ? (
              <DropdownMenu.Separator key={index} asChild>
                <hr />
              </DropdownMenu.Separator>
            ) : (
              <DropdownMenu.Item
                key={item.label}
                className={classes("item", item.danger && "danger")}
                disabled={item.disabled ?? false}
                onSelect={item.onSelect}
              >
                {item.icon ? <item.icon /> : null}
                {item.label}
                {item.keys ? <Keys of={item.keys} /> : null}
              </DropdownMenu.Item>
            ),
          )}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

export function Popover({
  trigger,
  children,
  label,
}: {
  trigger: ReactNode;
  children: ReactNode;
  label: string;
}) {
  return (
    <RadixPopover.Root>
      <RadixPopover.Trigger asChild>{trigger}</RadixPopover.Trigger>
      <RadixPopover.Portal>
        <RadixPopover.Content className="popover" sideOffset={6} collisionPadding={8} aria-label={label}>
          {children}
        </RadixPopover.Content>
      </RadixPopover.Portal>
    </RadixPopover.Root>
  );
}

export interface Tab {
  id: string;
  label: string;
  icon?: ComponentType;
  count?: number;
}

/** Tabs and the panel of the chosen one. */
export function Tabs({
  tabs,
  value,
  onChange,
  children,
  label,
  beside,
  className,
}: {
  tabs: Tab[];
  value: string;
  onChange(id: string): void;
  children: ReactNode;
  label: string;
  beside?: ReactNode;
  className?: string;
}) {
  return (
    <RadixTabs.Root value={value} onValueChange={onChange} className={classes("tabbed", className)}>
      <div className="tabline">
        <RadixTabs.List className="tabs grow" aria-label={label}>
          {tabs.map((tab) => (
            <RadixTabs.Trigger key={tab.id} value={tab.id}>
              {tab.icon ? <tab.icon /> : null}
              {tab.label}
              {tab.count ? <Badge>{tab.count}</Badge> : null}
            </RadixTabs.Trigger>
          ))}
        </RadixTabs.List>
        {beside}
      </div>
      <RadixTabs.Content value={value} className="tabpanel">
        {children}
      </RadixTabs.Content>
    </RadixTabs.Root>
  );
}

export function Segments<T extends string>({
  options,
  value,
  onChange,
  label,
}: {
  options: { value: T; label: string }[];
  value: T;
  onChange: (value: T) => void;
  label: string;
}) {
  return (
    <div className="segments" role="radiogroup" aria-label={label}>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          role="radio"
          aria-checked={option.value === value}
          onClick={() => onChange(option.value)}
        >
          {option.label}
        </button>
      ))}
    </div>
  );
}

export function Empty({
  icon: Icon,
  title,
  children,
  actions,
  whole = false,
}: {
  icon: ComponentType;
  title: string;
  children?: ReactNode;
  actions?: ReactNode;
  /** It is all there is on the page, so its title is the page's. */
  whole?: boolean;
}) {
  const Title = whole ? "h1" : "h2";
  return (
    <div className="empty">
      <Icon />
      <Title>{title}</Title>
      {children ? <p>{children}</p> : null}
      {actions ? <div className="row wrap">{actions}</div> : null}
    </div>
  );
}

export function Notice({ tone = "grey", children }: { tone?: Tone; children: ReactNode }) {
  const Icon = tone === "red" || tone === "amber" ? AlertTriangle : tone === "green" ? CheckCircle2 : Info;
  return (
    <div className={classes("notice", tone)} role={tone === "red" ? "alert" : undefined}>
      <Icon aria-hidden />
      <div className="grow">{children}</div>
    </div>
  );
}

export function Loading({ rows = 5 }: { rows?: number }) {
  const t = useT();
  return (
    <div className="col" style={{ padding: 16, gap: 14 }} role="status" aria-label={t("Loading")}>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className="skeleton" style={{ width: `${92 - ((index * 17) % 45)}%` }} />
      ))}
    </div>
  );
}

/** Why something could not be shown or done, with every field that is at fault. */
export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  const t = useT();
  const isMissing = error instanceof ApiError && error.status === 501;
  return (
    <Notice tone={isMissing ? "grey" : "red"}>
      <div className="col" style={{ gap: 4 }}>
        <span>{isMissing ? t("This server does not offer this yet.") : messageOf(error, t)}</span>
        {error instanceof ApiError && error.violations.length > 1 ? (
          <ul style={{ margin: 0, paddingLeft: 16 }}>
            {error.violations.map((each) => (
              <li key={each.field + each.description}>
                <code>{each.field}</code> {t.say(each.description)}
              </li>
            ))}
          </ul>
        ) : null}
        {retry ? (
          <div>
            <Button small onClick={retry}>
              {t("Try again")}
            </Button>
          </div>
        ) : null}
      </div>
    </Notice>
  );
}

export function messageOf(error: unknown, t: Translate): string {
  if (error instanceof ApiError)
    return error.reason === "UNREACHABLE" ? t("The engine can not be reached.") : t.say(error.message);
  return error instanceof Error ? error.message : String(error);
}

interface Message {
  id: number;
  tone: Tone;
  title: string;
  text?: string;
  action?: { label: string; run(): void };
}

const useMessages = create<{ all: Message[] }>(() => ({ all: [] }));
let count = 0;

/** Tells what has happened, for a few seconds. */
export function toast(tone: Tone, title: string, more: Pick<Message, "text" | "action"> = {}): void {
  const id = ++count;
  useMessages.setState(({ all }) => ({ all: [...all.slice(-3), { id, tone, title, ...more }] }));
}

export function Toasts() {
  const t = useT();
  const all = useMessages((state) => state.all);
  const drop = (id: number) =>
    useMessages.setState((state) => ({ all: state.all.filter((each) => each.id !== id) }));
  return (
    <RadixToast.Provider duration={6000} label={t("Notification")}>
      {all.map((message) => (
        <RadixToast.Root
          key={message.id}
          className="toast"
          type={message.tone === "red" ? "foreground" : "background"}
          onOpenChange={(open) => !open && drop(message.id)}
        >
          {message.tone === "green" ? (
            <CheckCircle2 color="var(--green)" />
          ) : message.tone === "red" ? (
            <XCircle color="var(--red)" />
          ) : (
            <Info color="var(--text-muted)" />
          )}
          <div className="col grow" style={{ gap: 3 }}>
            <RadixToast.Title className="strong">{message.title}</RadixToast.Title>
            {message.text ? (
              <RadixToast.Description className="soft small">{message.text}</RadixToast.Description>
            ) : null}
            {message.action ? (
              <div>
                <RadixToast.Action asChild altText={message.action.label}>
                  <button type="button" className="button small" onClick={message.action.run}>
                    {message.action.label}
                  </button>
                </RadixToast.Action>
              </div>
            ) : null}
          </div>
          <RadixToast.Close asChild>
            <button type="button" className="button ghost small icon close" aria-label={t("Close")}>
              <X />
            </button>
          </RadixToast.Close>
        </RadixToast.Root>
      ))}
      <RadixToast.Viewport className="toasts" />
    </RadixToast.Provider>
  );
}

export const TipProvider = RadixTooltip.Provider;
