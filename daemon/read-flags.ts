import { parseArgs } from 'node:util'
import { ArtifactError } from '../src/errors.js'
import { LOG_FORMATS, type LogFormat } from './create-logger.js'

export interface DaemonFlags {
  /** `--idle SECONDS`: end after so long without work. */
  idleSeconds?: number
  /** `--scan SECONDS`: look so often. */
  scanSeconds?: number
  /** `--limit RATE`, over `ARTIFACT_LIMIT`; not checked. */
  limit?: string
  /** `--log-format json|pretty`. */
  logFormat?: LogFormat
}

/** @throws `USAGE` */
export function readFlags(args: string[]): DaemonFlags {
  const { idle, scan, limit, 'log-format': format } = parseFlags(args)
  const logFormat = LOG_FORMATS.find(known => known === format)
  if (format !== undefined && !logFormat) {
    throw new ArtifactError('USAGE', `--log-format takes json or pretty, not "${format}"`)
  }
  return {
    idleSeconds: readSeconds('--idle', idle),
    scanSeconds: readSeconds('--scan', scan),
    limit,
    logFormat,
  }
}

function parseFlags(args: string[]) {
  try {
    const flag = { type: 'string' } as const
    const options = { idle: flag, scan: flag, limit: flag, 'log-format': flag }
    return parseArgs({ args, options }).values
  } catch (error) {
    throw new ArtifactError('USAGE', (error as Error).message, { cause: error })
  }
}

function readSeconds(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (seconds > 0 && seconds <= 1_000_000) return seconds
  throw new ArtifactError('USAGE', `${flag} takes a number of seconds, not "${text}"`)
}
