import { inspect } from 'node:util'
import { type Logger, pino } from 'pino'

export const LOG_FORMATS = ['json', 'pretty'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]

/** The part of a stream that is written to. */
interface Sink {
  write(text: string): unknown
  isTTY?: boolean
}

/**
 * The log of artifactd.
 *
 * @param format `json` is a JSON value a line, as pino writes it; `pretty` is for people: time, level,
 *   text and the other fields. Default: `pretty` on a terminal, else `json`.
 * @param out default: standard output.
 */
export function createLogger(format?: LogFormat, out: Sink = process.stdout): Logger {
  const isPretty = format === undefined ? out.isTTY === true : format === 'pretty'
  const write = (line: string) => out.write(isPretty ? formatLine(line) : line)
  return pino({ name: 'artifactd' }, { write })
}

function formatLine(line: string): string {
  const { time, level, msg, err, pid: _, hostname: __, name: ___, ...fields } = JSON.parse(line)
  const label = (pino.levels.labels[level] ?? String(level)).toUpperCase().padEnd(5)
  const rest = Object.entries(fields).map(([key, value]) => `  ${key}=${formatValue(value)}`)
  const code = err?.code ? `  ${err.code}` : ''
  return `${new Date(time).toISOString()} ${label} ${msg ?? ''}${code}${rest.join('')}\n`
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return /[\s="]/.test(value) ? JSON.stringify(value) : value
  return inspect(value, { breakLength: Number.POSITIVE_INFINITY, depth: 4 })
}
