import { randomUUID } from 'node:crypto'
import type { Cell } from './value-type.js'

// A cheap first look: integers of 16 digits and more may be beyond the safe ones; fractions as long
// are frequent.
const UNUSUAL = /(?<![\d.])\d{16}|NaN|Infinity/

const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g

/** Key of an object that stands for a bigint. Random, so that no text holds it. */
const BIGINT = randomUUID()

/**
 * Reads JSON as Python writes it: integers that are not safe become bigints, and the words that
 * JSON does not have, NaN and Infinity, become null and the number.
 * @throws `SyntaxError`
 */
export function parseValue(text: string): Cell {
  if (!UNUSUAL.test(text)) return JSON.parse(text)
  const json = text.replace(TOKEN, token => {
    if (token === 'NaN') return 'null'
    if (token.endsWith('Infinity')) return token.replace('Infinity', '1e999')
    const whole = /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token))
    return whole ? `{"${BIGINT}":"${token}"}` : token
  })
  return JSON.parse(json, (_key, value) => {
    const isBigint = typeof value === 'object' && value !== null && Object.hasOwn(value, BIGINT)
    return isBigint ? BigInt(value[BIGINT]) : value
  })
}
