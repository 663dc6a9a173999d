/** How node types, runs and executions look. */
import {
  Ban,
  Bell,
  Bot,
  Braces,
  Brain,
  CalendarClock,
  Check,
  CircleDashed,
  CircleStop,
  Clock,
  Code,
  Copy,
  Database,
  Equal,
  FileInput,
  FileOutput,
  Filter,
  GitFork,
  GitMerge,
  Globe,
  Hand,
  KeyRound,
  LoaderCircle,
  Mail,
  Map as MapIcon,
  MessageSquare,
  MousePointerClick,
  Network,
  Pause,
  Pencil,
  Play,
  Plug,
  Repeat,
  Reply,
  Rows3,
  Scissors,
  SkipForward,
  SortAsc,
  Split,
  Tag,
  TriangleAlert,
  UserCheck,
  Webhook,
  Wrench,
  X,
} from "lucide-react";
import type { ComponentType } from "react";
import type { ExecutionModeJson, ExecutionStatusJson } from "~/api/contract";
import { useT } from "~/i18n";
import type { RunLook } from "~/model/runs";
import { Badge, type Tone } from "~/ui";
import "./looks.css";

const FAMILY_ICONS: Record<string, ComponentType> = {
  trigger: Bell,
  action: Braces,
  external_action: Plug,
  flow: Network,
  ai_agent: Bot,
  human: UserCheck,
  tool: Wrench,
  memory: Brain,
};

const KIND_ICONS: Record<string, ComponentType> = {
  "trigger.manual": MousePointerClick,
  "trigger.webhook": Webhook,
  "trigger.cron": CalendarClock,
  "trigger.interval": Clock,
  "trigger.schedule": CalendarClock,
  "trigger.email": Mail,
  "trigger.error": TriangleAlert,
  "trigger.chat": MessageSquare,
  "action.http_request": Globe,
  "action.run_code": Code,
  "action.postgres": Database,
  "action.crypto": KeyRound,
  "action.date_time": Clock,
  "action.convert_to_file": FileOutput,
  "action.extract_from_file": FileInput,
  "flow.if": Split,
  "flow.switch": GitFork,
  "flow.merge": GitMerge,
  "flow.loop": Repeat,
  "flow.map": MapIcon,
  "flow.wait": Pause,
  "flow.filter": Filter,
  "flow.set": Pencil,
  "flow.rename": Tag,
  "flow.sort": SortAsc,
  "flow.limit": Scissors,
  "flow.dedupe": Equal,
  "flow.split": Rows3,
  "flow.aggregate": Copy,
  "flow.respond": Reply,
  "flow.stop_and_error": CircleStop,
  "flow.subworkflow": Play,
  "human.approval": Hand,
};

export function familyOf(type: string): string {
  return type.split(".")[0] ?? "";
}

export function iconOf(type: string): ComponentType {
  return KIND_ICONS[type] ?? FAMILY_ICONS[familyOf(type)] ?? Braces;
}

export function NodeIcon({ type, small }: { type: string; small?: boolean }) {
  const Icon = iconOf(type);
  return (
    <span className={small ? "nodeicon small" : "nodeicon"} data-family={familyOf(type)} aria-hidden>
      <Icon />
    </span>
  );
}

const RUN_ICONS: Record<RunLook, ComponentType> = {
  ready: CircleDashed,
  running: LoaderCircle,
  waiting: Clock,
  succeeded: Check,
  failed: X,
  skipped: SkipForward,
  canceled: Ban,
};

export function RunMark({ look }: { look: RunLook }) {
  const Icon = RUN_ICONS[look];
  return (
    <span className={`runmark ${look}`}>
      <Icon />
    </span>
  );
}

const STATUS: Partial<Record<ExecutionStatusJson, { tone: Tone; label: string }>> = {
  NEW: { tone: "grey", label: "Queued" },
  RUNNING: { tone: "blue", label: "Running" },
  WAITING: { tone: "amber", label: "Waiting" },
  PAUSED: { tone: "amber", label: "Paused" },
  SUCCESS: { tone: "green", label: "Succeeded" },
  ERROR: { tone: "red", label: "Failed" },
  CANCELED: { tone: "grey", label: "Canceled" },
};

export const STATUSES = Object.entries(STATUS).map(([value, { label }]) => ({
  value: value as ExecutionStatusJson,
  label,
}));

export function StatusBadge({ status }: { status: ExecutionStatusJson | undefined }) {
  const t = useT();
  const found = (status && STATUS[status]) || { tone: "grey" as Tone, label: "Queued" };
  return (
    <Badge tone={found.tone} dot>
      {t(found.label)}
    </Badge>
  );
}

const MODES: Partial<Record<ExecutionModeJson, string>> = {
  MANUAL: "Manual",
  TRIGGER: "Trigger",
  WEBHOOK: "Webhook",
  SCHEDULE: "Schedule",
  RETRY: "Retry",
  SUBWORKFLOW: "Sub-workflow",
  ERROR_WORKFLOW: "Error workflow",
  TEST: "Test",
};

export function modeLabel(mode: ExecutionModeJson | undefined): string {
  return (mode && MODES[mode]) || "Manual";
}

export const RUN_LABELS: Record<RunLook, string> = {
  ready: "Ready",
  running: "Running",
  waiting: "Waiting",
  succeeded: "Succeeded",
  failed: "Failed",
  skipped: "Skipped",
  canceled: "Canceled",
};
