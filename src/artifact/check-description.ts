import { inspect } from 'node:util'

/** A description is text or absent. @throws `TypeError`. */
export function checkDescription(value: unknown): string | null {
  if (value === undefined || value === null) return null
  if (typeof value === 'string') return value
  throw new TypeError(`description must be a string, not ${inspect(value, { depth: 0 })}`)
}
