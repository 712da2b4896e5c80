import { ArtifactError, ERRORS } from '../src/errors.js'
import { readSettings } from '../src/store/settings.js'
import { createLogger } from './create-logger.js'
import { type DaemonFlags, readFlags } from './read-flags.js'
import { runDaemon } from './run-daemon.js'

const controller = new AbortController()
process.once('SIGTERM', () => controller.abort())
process.once('SIGINT', () => controller.abort())

let flags: DaemonFlags = {}
try {
  flags = readFlags(process.argv.slice(2))
  const { limit, logFormat, ...options } = flags
  const env = { ...process.env, ...(limit !== undefined && { ARTIFACT_LIMIT: limit }) }
  const { home } = readSettings(env)
  const logger = createLogger(logFormat)
  await runDaemon({ home, env, logger, signal: controller.signal, ...options })
  process.exit(0)
} catch (error) {
  createLogger(flags.logFormat).fatal({ err: error }, (error as Error).message)
  process.exit(error instanceof ArtifactError ? ERRORS[error.code].exit : 1)
}
