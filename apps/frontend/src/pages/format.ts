/** Times as people say them. */
import type { Language } from "~/i18n";

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["second", 60],
  ["minute", 60],
  ["hour", 24],
  ["day", 7],
  ["week", 4.35],
  ["month", 12],
  ["year", Number.POSITIVE_INFINITY],
];

export function ago(time: string | undefined, language: Language, now = Date.now()): string {
  if (!time) return "";
  let amount = (Date.parse(time) - now) / 1000;
  for (const [unit, size] of STEPS) {
    if (Math.abs(amount) < size)
      return new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" }).format(
        Math.round(amount),
        unit,
      );
    amount /= size;
  }
  return "";
}

export function moment(time: string | undefined, language: Language): string {
  if (!time) return "";
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" }).format(
    new Date(time),
  );
}

/** To the millisecond, for facts that follow each other closely. */
export function instant(time: string | undefined, language: Language): string {
  if (!time) return "";
  return new Intl.DateTimeFormat(language, {
    month: "short",
    day: "numeric",
    hour: "numeric",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
  }).format(new Date(time));
}

/** With the weekday, as plans are read, on the clocks of a time zone. */
export function day(time: string | undefined, language: Language, timeZone?: string): string {
  if (!time) return "";
  return new Intl.DateTimeFormat(language, {
    timeZone,
    weekday: "short",
    month: "short",
    day: "numeric",
    hour: "numeric",
    minute: "2-digit",
  }).format(new Date(time));
}

export function bytes(size: string | number | undefined): string {
  let amount = Number(size ?? 0);
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (amount < 1024 || unit === "GiB")
      return `${amount < 10 && unit !== "B" ? amount.toFixed(1) : Math.round(amount)} ${unit}`;
    amount /= 1024;
  }
  return "";
}
