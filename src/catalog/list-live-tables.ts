/** Of a record of a log: all of it, or its first, a middle or its last part. */
const [FULL, FIRST, MIDDLE, LAST] = [1, 2, 3, 4]

/** What a record of a MANIFEST is made of: the tag of a field, and what comes after it. */
const FIELDS: Record<number, ('number' | 'bytes')[]> = {
  1: ['bytes'], // comparator
  2: ['number'], // log
  3: ['number'], // next file
  4: ['number'], // last sequence
  5: ['number', 'bytes'], // where a level is to be compacted: level, key
  6: ['number', 'number'], // a table less: level, file
  7: ['number', 'number', 'number', 'bytes', 'bytes'], // a table more: level, file, size, first, last
  9: ['number'], // log before that
}
const [TABLE_LESS, TABLE_MORE] = [6, 7]

export interface LogRecord {
  type: number
  bytes: Buffer
}

/**
 * The numbers of the tables that a LevelDB consists of: others lie beside them where a process ended
 * while it made some, and are removed when it is opened. (LevelDB 1.20, db/version_edit.cc.)
 *
 * @param records of its MANIFEST.
 * @throws `RangeError` when they are none.
 */
export function listLiveTables(records: Iterable<LogRecord>): Set<number> {
  const live = new Set<number>()
  let parts: Buffer[] = []
  for (const { type, bytes } of records) {
    if (type === FULL || type === FIRST) parts = []
    parts.push(bytes)
    if (type === FIRST || type === MIDDLE) continue
    if (type !== FULL && type !== LAST) throw new RangeError(`no part of a record: ${type}`)
    applyEdit(Buffer.concat(parts), live)
  }
  return live
}

function applyEdit(edit: Buffer, live: Set<number>): void {
  for (let at = 0; at < edit.length; ) {
    const [tag, afterTag] = readNumber(edit, at)
    at = afterTag
    const fields = FIELDS[tag]
    if (!fields) throw new RangeError(`no field of a MANIFEST: ${tag}`)
    const numbers = fields.map(field => {
      const [number, end] = readNumber(edit, at)
      at = field === 'bytes' ? end + number : end
      return number
    })
    if (tag === TABLE_LESS) live.delete(numbers[1]!)
    if (tag === TABLE_MORE) live.add(numbers[1]!)
  }
}

/** A number in groups of seven bits, the lowest first. @returns it, and where it ends. */
export function readNumber(bytes: Buffer, at: number): [number, number] {
  let value = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes.readUInt8(at++)
    value += (byte & 127) * scale
    if (byte < 128) return [value, at]
  }
}
