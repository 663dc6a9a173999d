/** How node types, runs and executions look. */
import {
  AlignLeft,
  ArrowRight,
  Ban,
  Bell,
  BookOpen,
  Bot,
  Braces,
  Brain,
  Calendar,
  CalendarClock,
  Check,
  CircleDashed,
  CircleStop,
  ClipboardList,
  Clock,
  Code,
  Copy,
  CreditCard,
  Database,
  Equal,
  FileArchive,
  FileInput,
  FileOutput,
  FileText,
  Filter,
  FolderOpen,
  GitBranch,
  GitFork,
  GitMerge,
  Globe,
  Hand,
  Hash,
  Image,
  KeyRound,
  Layers,
  ListChecks,
  LoaderCircle,
  Mail,
  Map as MapIcon,
  MessageSquare,
  MessagesSquare,
  MousePointerClick,
  Network,
  Pause,
  Pencil,
  Phone,
  Play,
  Plug,
  Radio,
  RefreshCw,
  Repeat,
  Reply,
  Rows3,
  Rss,
  Scissors,
  Search,
  Send,
  Sheet,
  Shuffle,
  SkipForward,
  SortAsc,
  Sparkles,
  Split,
  SquareKanban,
  SquareTerminal,
  Tag,
  TextSelect,
  TriangleAlert,
  UserCheck,
  Users,
  Waypoints,
  Webhook,
  Workflow,
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
  "action.amqp_publish": Radio,
  "action.compress": FileArchive,
  "action.database": Database,
  "action.decompress": FileArchive,
  "action.execute": SquareTerminal,
  "action.file": FolderOpen,
  "action.ftp": FolderOpen,
  "action.graphql": Braces,
  "action.image": Image,
  "action.kafka_publish": Radio,
  "action.markdown": FileText,
  "action.mqtt_publish": Radio,
  "action.nats_publish": Radio,
  "action.redis": Layers,
  "action.ssh": SquareTerminal,
  "action.template": FileText,
  "action.transform": Shuffle,
  "action.web_search": Search,
  "ai_agent.classifier": Tag,
  "ai_agent.extractor": TextSelect,
  "ai_agent.model": Sparkles,
  "ai_agent.report_writer": FileText,
  "ai_agent.router": GitFork,
  "ai_agent.summariser": AlignLeft,
  "ai_agent.task_analyser": ListChecks,
  "external_action.airtable": Sheet,
  "external_action.discord": MessagesSquare,
  "external_action.email": Mail,
  "external_action.generic_webhook": Webhook,
  "external_action.github": GitBranch,
  "external_action.gitlab": GitBranch,
  "external_action.gmail": Mail,
  "external_action.google_calendar": Calendar,
  "external_action.google_docs": FileText,
  "external_action.google_sheets": Sheet,
  "external_action.hubspot": Users,
  "external_action.jira": SquareKanban,
  "external_action.linear": SquareKanban,
  "external_action.microsoft_outlook": Mail,
  "external_action.microsoft_teams": Users,
  "external_action.notion": BookOpen,
  "external_action.one_drive": FolderOpen,
  "external_action.openapi": Braces,
  "external_action.slack": Hash,
  "external_action.stripe": CreditCard,
  "external_action.supabase": Database,
  "external_action.telegram": Send,
  "external_action.trello": SquareKanban,
  "external_action.twilio": Phone,
  "flow.no_op": ArrowRight,
  "human.chat_reply": MessageSquare,
  "human.choice": ListChecks,
  "human.edit": Pencil,
  "human.form": ClipboardList,
  "memory.buffer": MessagesSquare,
  "memory.document_store": FileText,
  "memory.embedding": Waypoints,
  "memory.key_value": KeyRound,
  "memory.knowledge_graph": Network,
  "memory.reranker": SortAsc,
  "memory.retriever": Search,
  "memory.summary": AlignLeft,
  "memory.vector_store": Database,
  "memory.window": MessagesSquare,
  "tool.code": Code,
  "tool.http": Globe,
  "tool.mcp": Plug,
  "tool.openapi": Braces,
  "tool.workflow": Workflow,
  "trigger.amqp": Radio,
  "trigger.calendar": Calendar,
  "trigger.database_change": Database,
  "trigger.file_change": FolderOpen,
  "trigger.form": ClipboardList,
  "trigger.kafka": Radio,
  "trigger.mqtt": Radio,
  "trigger.nats": Radio,
  "trigger.poll": RefreshCw,
  "trigger.redis_stream": Layers,
  "trigger.rss": Rss,
  "trigger.workflow_event": Workflow,
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
    <span
      className={small ? "nodeicon small" : "nodeicon"}
      data-family={familyOf(type)}
      data-brand={type.split(".")[1]}
      aria-hidden
    >
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
