import { parseArgs } from 'node:util'
import { pino } from 'pino'
import { ArtifactError, ERRORS } from '../src/errors.js'
import { readSettings } from '../src/store/settings.js'
import { runDaemon } from './run-daemon.js'

const logger = pino({ name: 'artifactd' })
const controller = new AbortController()
process.once('SIGTERM', () => controller.abort())
process.once('SIGINT', () => controller.abort())

try {
  const { idleSeconds, scanSeconds } = readFlags(process.argv.slice(2))
  const { home } = readSettings(process.env)
  await runDaemon({
    home,
    env: process.env,
    logger,
    signal: controller.signal,
    idleSeconds,
    scanSeconds,
  })
  process.exit(0)
} catch (error) {
  logger.fatal({ err: error }, (error as Error).message)
  process.exit(error instanceof ArtifactError ? ERRORS[error.code].exit : 1)
}

/** `--idle SECONDS`: end after so long without work. `--scan SECONDS`: look so often (60). */
function readFlags(args: string[]): { idleSeconds?: number; scanSeconds?: number } {
  let values: { idle?: string; scan?: string }
  try {
    values = parseArgs({
      args,
      options: { idle: { type: 'string' }, scan: { type: 'string' } },
    }).values
  } catch (error) {
    throw new ArtifactError('USAGE', (error as Error).message, { cause: error })
  }
  return {
    idleSeconds: readSeconds('--idle', values.idle),
    scanSeconds: readSeconds('--scan', values.scan),
  }
}

function readSeconds(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const seconds = Number(text)
  if (seconds > 0 && seconds <= 1_000_000) return seconds
  throw new ArtifactError('USAGE', `${flag} takes a number of seconds, not "${text}"`)
}
