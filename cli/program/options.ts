import { InvalidArgumentError, Option } from '@commander-js/extra-typings'
import { parseBytes } from '../../src/model/parse-bytes.js'
import { parseDuration } from '../../src/model/parse-duration.js'

export function jsonOption() {
  return new Option('--json', 'print one JSON value on standard output')
}

/** Of an option that may be repeated. */
export function collect(value: string, others: string[] | undefined): string[] {
  return [...(others ?? []), value]
}

/** Bytes, such as `50GB`. */
export function parseSize(text: string): number {
  const bytes = parseBytes(text)
  if (bytes !== undefined) return bytes
  throw new InvalidArgumentError('It is not a size such as 50GB or 512MiB.')
}

/** Milliseconds of a time such as `24h`, or `never`: commander makes an empty text of null. */
export function parseInterval(text: string): number | 'never' {
  if (text === 'never') return text
  const time = parseDuration(text)
  if (time) return time
  throw new InvalidArgumentError('It is not a time such as 24h or 30m, or never.')
}

/** Milliseconds of a time such as `30d`. */
export function parseTime(text: string): number {
  const time = parseDuration(text)
  if (time !== undefined) return time
  throw new InvalidArgumentError('It is not a time such as 30d or 12h.')
}

export function parseCount(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not a whole number from 1.')
}
