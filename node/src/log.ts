import { diag } from "@opentelemetry/api";

const logged = new Set<string>();

/** Logs a warning, once. */
export function warnOnce(message: string): void {
  try {
    if (logged.has(message)) return;
    logged.add(message);
    diag.warn(`unbroken: ${message}`);
  } catch {
    // A logger that throws.
  }
}

/** Logs an error of the telemetry itself, once per place and class: it must not reach the application. */
export function survived(where: string, error: unknown): void {
  try {
    const kind = `${where} ${error instanceof Error ? error.constructor.name : typeof error}`;
    if (logged.has(kind)) return;
    logged.add(kind);
    diag.error(`unbroken: telemetry failed in ${where}; the message goes on without it (logged once)`, error);
  } catch {
    // A logger that throws, an error that cannot be looked at: there is nobody left to tell.
  }
}
