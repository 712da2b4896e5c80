import { ArtifactError } from '../errors.js'

/** W&B's limit; deeper levels count nothing. */
const MAX_KEYS = 100

/** Far above what people write, far below where a recursive reader runs out of stack. */
const MAX_DEPTH = 100

type Path = readonly (string | number)[]

function refuse(path: Path, reason: string): ArtifactError {
  const key = path.join('.')
  const where = path.length === 0 ? 'metadata' : `metadata key ${JSON.stringify(key)}`
  return new ArtifactError('INVALID_METADATA', `${where}: ${reason}`, { details: { key } })
}

function isJsonObject(value: object): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === '[object Object]'
}

function copyNumber(value: number, path: Path): number | null {
  if (Number.isNaN(value)) return null
  if (!Number.isFinite(value)) throw refuse(path, `${value} is not a JSON number`)
  return value === 0 ? 0 : value
}

function copyValue(given: unknown, path: Path, parents: readonly object[]): unknown {
  const toJSON = (given as { toJSON?: unknown } | null | undefined)?.toJSON
  const value = typeof toJSON === 'function' ? toJSON.call(given, String(path.at(-1) ?? '')) : given
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return copyNumber(value, path)
  if (value === undefined) return undefined
  if (typeof value !== 'object') throw refuse(path, `a ${typeof value} is not a JSON value`)
  if (parents.includes(value)) throw refuse(path, 'it contains itself')
  if (parents.length >= MAX_DEPTH) throw refuse(path, `deeper than ${MAX_DEPTH} levels`)
  const inside = [...parents, value]
  if (Array.isArray(value)) {
    return Array.from(value, (item, i) => copyValue(item, [...path, i], inside) ?? null)
  }
  if (!isJsonObject(value)) {
    throw refuse(path, `a ${value.constructor?.name ?? 'value'} is not a JSON value`)
  }
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, item]) => [key, copyValue(item, [...path, key], inside)] as const)
      .filter(([, item]) => item !== undefined),
  )
}

/**
 * A deep copy of `value` as JSON would hold it: keys that are undefined are dropped, NaN becomes
 * null (as in W&B), `toJSON` is honoured. Nothing and null are the empty object.
 *
 * @throws `INVALID_METADATA`, naming the key, for anything but an object of at most 100 keys whose
 *   values are JSON: ±Infinity, functions, symbols, bigints, cycles and collections such as Map
 *   are refused, and more than 100 levels.
 */
export function normalizeMetadata(value: unknown): Record<string, unknown> {
  const copy = copyValue(value ?? {}, [], [])
  if (typeof copy !== 'object' || copy === null || Array.isArray(copy)) {
    throw refuse([], 'it must be a JSON object')
  }
  const count = Object.keys(copy).length
  if (count > MAX_KEYS) throw refuse([], `${count} keys are more than ${MAX_KEYS}`)
  return copy as Record<string, unknown>
}
