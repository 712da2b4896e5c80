/**
 * Milliseconds from now, of a Retry-After header in either of its forms (RFC 9110, 10.2.3): seconds, or
 * a date. Undefined for anything else.
 *
 * @param date the Date header of the same answer, so that a clock that is wrong does no harm.
 */
export function parseRetryAfter(value: string | undefined, date?: string): number | undefined {
  if (value === undefined) return undefined
  if (/^\d+$/.test(value)) return Number(value) * 1000
  const sentAt = Date.parse(date ?? '') || Date.now()
  const ms = value.endsWith('GMT') ? Date.parse(value) - sentAt : Number.NaN
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}
