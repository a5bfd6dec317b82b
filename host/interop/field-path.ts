/** A place in JSON, as templates and routes of the field name it, and as CEL asks for it. */
export type FieldPath = readonly (string | number)[];

const MAX_SEGMENTS = 16;

/**
 * Dotted names, with indexes and quoted names in brackets: `in.input.text`, `node.a["b c"].list[0]`.
 * @returns undefined for what is no path
 */
export function parseFieldPath(text: string): FieldPath | undefined {
  const segment = /(?:^|\.)([A-Za-z0-9_$-]+)|\.?\[(?:(\d+)|"([^"]*)"|'([^']*)'|([A-Za-z0-9_$-]+))\]/y;
  const path: (string | number)[] = [];
  while (segment.lastIndex < text.length) {
    const match = segment.exec(text);
    if (match === null || path.length === MAX_SEGMENTS) return undefined;
    const [, name, index, ...quoted] = match;
    path.push(
      index === undefined ? (name ?? quoted.find((each) => each !== undefined) ?? '') : Number(index),
    );
  }
  return path.length === 0 ? undefined : path;
}

/** A place, from a name that CEL knows on. */
export interface CelPlace {
  readonly root: string;
  readonly path: FieldPath;
}

/** CEL for the value there; it fails where there is none. */
export function celValue({ root, path }: CelPlace): string {
  return root + path.map((segment) => `[${celKey(segment)}]`).join('');
}

/** CEL for whether there is one. */
export function celExists({ root, path }: CelPlace): string {
  if (path.length === 0) return 'true';
  return path
    .flatMap((segment, depth) => {
      const parent = celValue({ root, path: path.slice(0, depth) });
      return typeof segment === 'number'
        ? [`type(${parent}) == list`, `size(${parent}) > ${segment}`]
        : [`type(${parent}) == map`, `${celKey(segment)} in ${parent}`];
    })
    .join(' && ');
}

/** CEL's texts have the escapes of JSON's. */
export function celText(text: string): string {
  return JSON.stringify(text);
}

function celKey(segment: string | number): string {
  return typeof segment === 'number' ? String(segment) : celText(segment);
}
