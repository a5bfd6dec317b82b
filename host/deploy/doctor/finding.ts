import { errorMessage, GtpackError, type Problem } from '../../errors.ts';

/** What `gtpack doctor --json` prints. */
export interface DoctorReport {
  /** Whether nothing was found that would fail at run time. */
  readonly ok: boolean;
  readonly kind: 'pack' | 'component' | 'bundle';
  readonly file: string;
  readonly findings: readonly Finding[];
}

/**
 * - `error`: it fails at run time, or keeps the host from starting.
 * - `warning`: it may, or somebody is exposed to what they need not be.
 * - `info`: what holds, and is worth knowing.
 */
export type Severity = 'error' | 'warning' | 'info';

export interface Finding {
  readonly severity: Severity;
  /** Of docs/errors.md where the host would refuse it by that code; else a short name. */
  readonly code: string;
  readonly message: string;
  readonly cure?: string;
  readonly file?: string;
  readonly line?: number;
}

/** Findings, each once. */
export class Findings {
  readonly #found = new Map<string, Finding>();

  add(finding: Finding): void {
    const { severity, code, message, file = '' } = finding;
    const key = JSON.stringify([severity, code, message, file]);
    if (!this.#found.has(key)) this.#found.set(key, finding);
  }

  addAll(findings: Iterable<Finding>): void {
    for (const finding of findings) this.add(finding);
  }

  /** What the host would say of it. @param what begins each message. @throws what is no error of the host */
  refused(error: unknown, what?: string): void {
    if (!(error instanceof GtpackError)) {
      throw new Error(`The doctor failed: ${errorMessage(error)}`, { cause: error });
    }
    this.problems(
      error.problems.map((problem) =>
        what === undefined ? problem : { ...problem, message: `${what}: ${problem.message}` },
      ),
    );
  }

  problems(problems: readonly Problem[], severity: Severity = 'error'): void {
    for (const { code, message, cure, file, line } of problems) {
      this.add({
        severity,
        code,
        message,
        ...(cure === undefined ? {} : { cure }),
        ...(file === undefined ? {} : { file }),
        ...(line === undefined ? {} : { line }),
      });
    }
  }

  /** The worst first, else as they were found. */
  get all(): Finding[] {
    return SEVERITIES.flatMap((severity) =>
      [...this.#found.values()].filter((finding) => finding.severity === severity),
    );
  }

  report(kind: DoctorReport['kind'], file: string): DoctorReport {
    const findings = this.all;
    return { ok: findings.every(({ severity }) => severity !== 'error'), kind, file, findings };
  }
}

const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info'];
