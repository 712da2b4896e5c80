import { compareUtf8 } from '../model/artifact-path.js'

/** Text that stands for itself. */
const PLAIN = /^[ !#-[\]-~]*$/

// What Python writes as an escape besides what JSON must escape.
const NOT_ASCII = /[\u007f-\uffff]/g

/** Up to here Python writes a float without an exponent, and from 0.0001. */
const PLAIN_FLOAT = 1e16

/**
 * JSON as Python's `json.dump` writes it with `sort_keys`, which is how W&B writes tables: `, ` and
 * `: ` between things, keys in the order of code points, nothing but ASCII. Dates become
 * milliseconds, NaN null, and infinity `Infinity`, which JSON does not have.
 */
export function encodeValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return encodeText(value)
    case 'number':
      return encodeNumber(value)
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'undefined':
      return 'null'
  }
  if (value === null) return 'null'
  if (value instanceof Date) return String(value.getTime())
  if (Array.isArray(value)) return encodeList(value)
  const object = value as Record<string, unknown>
  const keys = Object.keys(object).sort(compareUtf8)
  return `{${keys.map(key => `${encodeText(key)}: ${encodeValue(object[key])}`).join(', ')}}`
}

function encodeList(values: unknown[]): string {
  let text = ''
  for (let index = 0; index < values.length; index += 1) {
    text += index === 0 ? encodeValue(values[index]) : `, ${encodeValue(values[index])}`
  }
  return `[${text}]`
}

function encodeText(text: string): string {
  if (PLAIN.test(text)) return `"${text}"`
  const toEscape = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
  return JSON.stringify(text).replace(NOT_ASCII, toEscape)
}

/**
 * Whole numbers as an integer, others as Python writes a float; also whole numbers that are not
 * safe, so that a reader can tell them from integers with all their digits.
 */
function encodeNumber(value: number): string {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return String(value)
  if (Number.isNaN(value)) return 'null'
  const size = Math.abs(value)
  if (size === Infinity) return String(value)
  if (size >= PLAIN_FLOAT || (size < 1e-4 && size > 0)) {
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2')
  }
  const text = Object.is(value, -0) ? '-0' : String(value)
  return text.includes('.') ? text : `${text}.0`
}
