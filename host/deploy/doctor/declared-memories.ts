import { eachSection, SectionFault } from '../../wasm-reader.ts';

const MEMORY_SECTION = 5;
const PAGE_BYTES = 65_536;
const HAS_MAXIMUM = 1;

/** A memory as its module declares it, before the host bounds it. */
export interface DeclaredMemory {
  readonly minimumBytes: number;
  readonly maximumBytes: number | undefined;
}

/** Of a core module; none where it is not read. Source: WebAssembly core specification, section 5.5.8. */
export function declaredMemories(core: Uint8Array): DeclaredMemory[] {
  const memories: DeclaredMemory[] = [];
  try {
    eachSection(core, (id, section) => {
      if (id !== MEMORY_SECTION) return;
      for (let left = section.count(); left > 0; left -= 1) {
        const flags = section.byte();
        const minimumBytes = section.u32() * PAGE_BYTES;
        const maximumBytes = (flags & HAS_MAXIMUM) === 0 ? undefined : section.u32() * PAGE_BYTES;
        memories.push({ minimumBytes, maximumBytes });
      }
    });
  } catch (error) {
    // The host refuses such a module by name when it is linked.
    if (!(error instanceof SectionFault)) throw error;
  }
  return memories;
}
