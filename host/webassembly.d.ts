/** The parts of the WebAssembly JavaScript API that the host uses; TypeScript has them only together with a browser's globals. */
declare namespace WebAssembly {
  type ExportValue = ((...values: unknown[]) => unknown) | Memory | Table | Global;
  type Exports = Record<string, ExportValue>;
  type Imports = Record<string, Record<string, unknown>>;
  type ExternalKind = 'function' | 'global' | 'memory' | 'table' | 'tag';

  interface ModuleExportDescriptor {
    readonly name: string;
    readonly kind: ExternalKind;
  }
  interface ModuleImportDescriptor extends ModuleExportDescriptor {
    readonly module: string;
  }
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer> | ArrayBuffer);
    static exports(module: Module): ModuleExportDescriptor[];
    static imports(module: Module): ModuleImportDescriptor[];
  }
  class Instance {
    constructor(module: Module, imports?: Imports);
    readonly exports: Exports;
  }
  class Memory {
    constructor(descriptor: { readonly initial: number; readonly maximum?: number });
    readonly buffer: ArrayBuffer;
    grow(pages: number): number;
  }
  class Table {
    readonly length: number;
  }
  class Global {
    value: unknown;
  }
  /** JavaScript Promise Integration: an import that suspends the guest until its promise settles. */
  class Suspending {
    constructor(fn: (...values: number[]) => Promise<number>);
  }
  /** An export that may be suspended, as a function that returns a promise. */
  function promising(fn: (...values: unknown[]) => unknown): (...values: unknown[]) => Promise<unknown>;
  function compile(bytes: Uint8Array<ArrayBuffer> | ArrayBuffer): Promise<Module>;
  function validate(bytes: Uint8Array<ArrayBuffer> | ArrayBuffer): boolean;
}
