import { Buffer } from 'node:buffer';
import type { Secret, Secrets } from '../grant/secret.ts';

export type Redact = (text: string) => string;

/** Anything shorter would be found where it is no secret. */
const MIN_CHARACTERS = 8;
const MIN_LINE_CHARACTERS = 16;
/** A long secret is looked for in pieces: whoever prints it may cut it. */
const PIECE_CHARACTERS = 1024;

const unchanged: Redact = (text) => text;

/**
 * Finds secrets in texts and puts their names in their place: as they are, in JSON, in base64 and base64url with
 * whatever stands before them, and percent-encoded.
 *
 * It is a net under the walls. A guest that was handed a secret can write it in a way that nothing here looks for.
 */
export function redactorOf(secrets: Iterable<Secret>): Redact {
  const names = new Map<string, string>();
  for (const secret of secrets) {
    for (const form of formsOf(secret.reveal())) if (!names.has(form)) names.set(form, String(secret));
  }
  if (names.size === 0) return unchanged;
  const forms = [...names.keys()].sort((a, b) => b.length - a.length).map((form) => RegExp.escape(form));
  const pattern = new RegExp(forms.join('|'), 'g');
  return (text) => text.replace(pattern, (found) => names.get(found) ?? '');
}

function formsOf(value: string): Set<string> {
  const forms = new Set<string>();
  for (const part of partsOf(value)) {
    const percent = encodeURIComponent(part.toWellFormed());
    const form = new URLSearchParams({ v: part }).toString().slice('v='.length);
    const written = [part, JSON.stringify(part).slice(1, -1), percent, form];
    for (const each of [...written, ...written.map(lowerHex), ...base64Forms(part)]) {
      if (each.length >= MIN_CHARACTERS) forms.add(each);
    }
  }
  return forms;
}

/** The secret, its lines, what is left without the marks of its kind and the spaces around it, and all of it in pieces. */
function partsOf(value: string): string[] {
  const trimmed = value.trim();
  const lines = trimmed
    .split(/\r?\n/)
    .filter((line) => line.length >= MIN_LINE_CHARACTERS && !/^-+[A-Z ]+-+$/.test(line));
  const parts = [value, trimmed, trimmed.replace(/^whsec_/, ''), ...lines];
  const pieces = parts.flatMap((part) => part.match(PIECES) ?? []);
  return pieces.filter((piece) => piece.length >= MIN_CHARACTERS);
}

const PIECES = new RegExp(`[^]{1,${PIECE_CHARACTERS}}`, 'g');

function lowerHex(percent: string): string {
  return percent.replace(/%[0-9A-F]{2}/g, (hex) => hex.toLowerCase());
}

/**
 * What is the same in base64 wherever the text stands in what is encoded: after a multiple of three bytes, or one or two
 * more, as the password in `Basic` does after its user.
 */
function base64Forms(text: string): string[] {
  const bytes = Buffer.from(text, 'utf8');
  return [0, 1, 2].flatMap((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const own = encoded.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6));
    return [own, own.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

export interface Redactors {
  /** Of a tenant's secrets. */
  of(tenant: string): Redact;
  /** Of all tenants' secrets, for what is about none of them. */
  readonly all: Redact;
}

export function createRedactors(
  tenants: Iterable<{ readonly id: string; readonly secrets: Secrets }>,
): Redactors {
  const byTenant = new Map<string, Redact>();
  const secrets: Secret[] = [];
  for (const tenant of tenants) {
    byTenant.set(tenant.id, redactorOf(tenant.secrets.values()));
    secrets.push(...tenant.secrets.values());
  }
  return { of: (tenant) => byTenant.get(tenant) ?? unchanged, all: redactorOf(secrets) };
}
