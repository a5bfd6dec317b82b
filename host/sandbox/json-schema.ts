import { createRequire } from 'node:module';
import type { Ajv, ErrorObject, Options, ValidateFunction } from 'ajv';
import type { ProviderSchemas, SchemaText } from '../contract.ts';
import { type ErrorCode, errorMessage, GtpackError } from '../errors.ts';

/** Checks a JSON text that was bounded before. @returns what is wrong with it, and where */
type Check = (json: string) => string | undefined;

/** Compiles a schema. @throws GtpackError `pack_schema_invalid` */
export type CompileSchema = (schema: SchemaText) => Check;

const DRAFT_7 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/;
const DRAFT_2020 = 'https://json-schema.org/draft/2020-12/schema';

/** Or may: a key can be written with escapes. */
const NAMES_ITSELF = /\$(?:id|anchor|dynamicAnchor|recursiveAnchor)|\\u/;

const OPTIONS: Options = {
  // Nothing is to be found again by another schema.
  addUsedSchema: false,
  // JSON Schema lets anybody add keywords; those that are not known say nothing.
  strict: false,
  // The core of ajv has no formats, and a format that nobody checks is an annotation.
  validateFormats: false,
  // The first fault is enough, and collecting all would cost whatever the value's author likes.
  allErrors: false,
  ownProperties: true,
  verbose: true,
  logger: false,
};

/**
 * Loads the library that compiles schemas into code. For cells only, and only for those that need it: it takes a cell's
 * thread longer than all else that it loads. To be called before the cell gives up reading files.
 */
export function loadSchemaCompiler(): CompileSchema {
  const require = createRequire(import.meta.url);
  const { default: Draft2020 } = require('ajv/dist/2020.js') as Library;
  const { default: Draft7 } = require('ajv') as Library;
  const shared = { draft7: new Draft7(OPTIONS), draft2020: new Draft2020(OPTIONS) };
  // The first use compiles the schema of the dialect, which takes longer than most schemas do: here it is on nobody's time.
  shared.draft2020.compile({});
  return (schema) => {
    const value: unknown = JSON.parse(schema.text);
    const keys = typeof value === 'object' && value !== null ? value : {};
    if ('$async' in keys) throw invalid(schema, 'it is asynchronous');
    const dialect = '$schema' in keys ? keys.$schema : DRAFT_2020;
    const isDraft7 = typeof dialect === 'string' && DRAFT_7.test(dialect);
    if (!isDraft7 && dialect !== DRAFT_2020) {
      throw invalid(schema, `its $schema is neither ${DRAFT_2020} nor that of draft-07`);
    }
    try {
      const common = isDraft7 ? shared.draft7 : shared.draft2020;
      // What a schema calls its parts is kept: ids of one pack's schemas are no business of another's.
      const own = NAMES_ITSELF.test(schema.text) ? new (isDraft7 ? Draft7 : Draft2020)(OPTIONS) : common;
      const validate = own.compile(value as object);
      return (json) => faultOf(validate, JSON.parse(json));
    } catch (error) {
      throw invalid(schema, errorMessage(error).slice(0, 500));
    }
  };
}

interface Library {
  readonly default: new (options: Options) => Ajv;
}

function invalid({ path }: SchemaText, fault: string): GtpackError {
  return new GtpackError('pack_schema_invalid', `The schema ${path} cannot be used: ${fault}.`);
}

function faultOf(validate: ValidateFunction, value: unknown): string | undefined {
  if (validate(value)) return undefined;
  const [first] = validate.errors ?? [];
  return first === undefined ? 'it does not match' : faultText(first);
}

/** Where, what was expected, what came: of texts only their length, since they may be anybody's. */
function faultText({ instancePath, message, params, data }: ErrorObject): string {
  const detail =
    'additionalProperty' in params
      ? ` (${JSON.stringify(params.additionalProperty)})`
      : 'allowedValues' in params
        ? ` (${JSON.stringify(params.allowedValues)})`
        : '';
  const where = instancePath === '' ? 'the value' : instancePath;
  return `${where} ${message ?? 'does not match'}${detail}; it is ${kindOf(data)}`.slice(0, 500);
}

function kindOf(value: unknown): string {
  if (typeof value === 'string') return `a text of ${value.length} characters`;
  if (Array.isArray(value)) return `a list of ${value.length}`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

type Part = 'input' | 'output';

/** The schemas of one provider, compiled once a cell. */
export class SchemaChecks {
  readonly #config: Check | undefined;
  readonly #operations = new Map<string, Readonly<Record<Part, Check | undefined>>>();
  readonly #provider: string;

  /** @throws GtpackError `pack_schema_invalid` */
  constructor(provider: string, schemas: ProviderSchemas, compile: CompileSchema) {
    const optional = (schema: SchemaText | undefined): Check | undefined =>
      schema === undefined ? undefined : compile(schema);
    this.#provider = provider;
    this.#config = optional(schemas.config);
    for (const { name, input, output } of schemas.operations) {
      this.#operations.set(name, { input: optional(input), output: optional(output) });
    }
  }

  /** @throws GtpackError `config_invalid` */
  config(json: string): void {
    this.#refuse(this.#config?.(json), 'config_invalid', `The config of the provider ${this.#provider}`);
  }

  /** @throws GtpackError `operation_input_invalid`, `operation_output_invalid` */
  operation(name: string, part: Part, json: string): void {
    const fault = this.#operations.get(name)?.[part]?.(json);
    this.#refuse(fault, `operation_${part}_invalid`, `The ${part} of ${this.#provider}'s operation ${name}`);
  }

  #refuse(fault: string | undefined, code: ErrorCode, what: string): void {
    if (fault !== undefined) throw new GtpackError(code, `${what} does not match its schema: ${fault}.`);
  }
}
