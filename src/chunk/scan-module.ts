/**
 * A module of WebAssembly with one function: where the first byte ends, from `at`, after which the hash
 * has its high 16 bits zero; `end`, if there is none. There a byte takes half the time that it takes in
 * JavaScript; to scan at several places at once wins no more.
 */
export type Scan = (at: number, end: number, hash: number) => number

/**
 * The function, and its memory: for the number of each byte, in 32 bits, and then for the bytes.
 * @param length of the memory; it reserves gigabytes of address space beside.
 */
export function createScan(length: number): { memory: ArrayBuffer; scan: Scan } {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(length / PAGE_BYTES) })
  const module = new WebAssembly.Module(MODULE)
  const { exports } = new WebAssembly.Instance(module, { outside: { memory } })
  return { memory: memory.buffer, scan: exports.scan }
}

const PAGE_BYTES = 65_536

// The types of Node 20 leave it out, and the DOM's bring a browser with them.
declare const WebAssembly: {
  Memory: new (size: { initial: number }) => { buffer: ArrayBuffer }
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object, imports: object) => { exports: { scan: Scan } }
}

// Names are those of the specification, with "_" for ".".
const block = 0x02
const loop = 0x03
const end = 0x0b
const br_if = 0x0d
const local_get = 0x20
const local_set = 0x21
const local_tee = 0x22
const i32_load = 0x28
const i32_load8_u = 0x2d
const i32_const = 0x41
const i32_ge_u = 0x4f
const i32_add = 0x6a
const i32_shl = 0x74
const i32_shr_u = 0x76
const nothing = 0x40
const i32 = 0x7f

const [AT, END, HASH] = [0, 1, 2]

// biome-ignore format: one step a line
const CODE = [
  block, nothing,
  loop, nothing,
  local_get, AT, local_get, END, i32_ge_u, br_if, 1,
  // hash = (hash << 1) + gear[bytes[at]]
  local_get, HASH, i32_const, 1, i32_shl,
  local_get, AT, i32_load8_u, 0, 0, i32_const, 2, i32_shl, i32_load, 2, 0,
  i32_add, local_tee, HASH,
  // What decides whether it goes on waits below the next step.
  i32_const, 16, i32_shr_u,
  local_get, AT, i32_const, 1, i32_add, local_set, AT,
  br_if, 0,
  end,
  end,
  local_get, AT,
  end,
]

const MODULE = Uint8Array.from([
  ...Buffer.from('\0asm\x01\0\0\0', 'latin1'),
  // The type of the function; the memory; which type the function has; its name; its code.
  ...section(1, [1, 0x60, 3, i32, i32, i32, 1, i32]),
  ...section(2, [1, ...name('outside'), ...name('memory'), 2, 0, 1]),
  ...section(3, [1, 0]),
  ...section(7, [1, ...name('scan'), 0, 0]),
  ...section(10, [1, CODE.length + 1, 0, ...CODE]),
])

/** Of less than 128 bytes, so that its length is one. */
function section(id: number, content: number[]): number[] {
  return [id, content.length, ...content]
}

function name(text: string): number[] {
  return [text.length, ...Buffer.from(text)]
}
