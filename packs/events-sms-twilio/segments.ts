/** How a text goes out as SMS. */
export interface Segments {
  readonly encoding: 'GSM-7' | 'UCS-2';
  /** What is paid for. */
  readonly count: number;
  readonly characters: number;
  /** Septets of GSM-7, or units of UCS-2. */
  readonly units: number;
  /** Of UCS-2: the characters for which it is not GSM-7, at most 10. */
  readonly not_gsm?: readonly string[];
}

/** 3GPP TS 23.038, section 6.2.1: the default alphabet, a septet each. */
const BASIC = new Set(
  '@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&\'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà',
);
/** Section 6.2.1.1: its extension, two septets each, the first an escape. */
const EXTENDED = new Set('\f^{}\\[~]|€');

/** Units of one message, and of each of several, whose headers take the rest. */
const GSM = { single: 160, part: 153 };
const UCS2 = { single: 70, part: 67 };
const MAX_NAMED = 10;

/** Counts as the networks do: neither an escaped character nor a pair of surrogates is parted by the end of a segment. */
export function segmentsOf(text: string): Segments {
  const characters = [...text];
  const foreign = new Set(characters.filter((each) => !BASIC.has(each) && !EXTENDED.has(each)));
  if (foreign.size === 0) {
    const sizes = characters.map((each) => (EXTENDED.has(each) ? 2 : 1));
    return { encoding: 'GSM-7', ...packed(sizes, GSM) };
  }
  const not_gsm = [...foreign].slice(0, MAX_NAMED).map(nameOf);
  return {
    encoding: 'UCS-2',
    ...packed(
      characters.map(({ length }) => length),
      UCS2,
    ),
    not_gsm,
  };
}

function packed(
  sizes: readonly number[],
  { single, part }: { readonly single: number; readonly part: number },
): { count: number; characters: number; units: number } {
  const units = sizes.reduce((sum, size) => sum + size, 0);
  const characters = sizes.length;
  if (units <= single) return { count: units === 0 ? 0 : 1, characters, units };
  let count = 1;
  let used = 0;
  for (const size of sizes) {
    if (used + size > part) {
      count += 1;
      used = 0;
    }
    used += size;
  }
  return { count, characters, units };
}

function nameOf(character: string): string {
  const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return `U+${code}`;
}
