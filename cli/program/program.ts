import { Command } from '@commander-js/extra-typings'
import { readVersion } from '../../src/disk/read-version.js'
import type { Context, Result } from '../context.js'
import { defineChanging } from './define-changing.js'
import { defineKeeping } from './define-keeping.js'
import { defineLogging } from './define-logging.js'
import { defineReading } from './define-reading.js'
import { defineSyncing } from './define-syncing.js'
import { defineTracing } from './define-tracing.js'

export type Program = Command

/**
 * Waits for what a command came to, and prints it; or prints parts as they come, of what may be too
 * long to be held, and exits with the code that they end with.
 */
export type Print = (work: Promise<Result> | AsyncGenerator<string, number>) => Promise<void>

/**
 * The commands of `artifact`. The code of each is loaded when it is used: `put` loads no server.
 *
 * @param quiet print no help beside an error.
 */
export function createProgram(
  context: Context,
  { print, quiet }: { print: Print; quiet: boolean },
): Program {
  const program = new Command('artifact')
    .description('Versioned datasets and models: logged offline, synced in the background.')
    .version(readVersion())
    .exitOverride()
    .showHelpAfterError()
    .configureOutput({
      writeErr: text => {
        if (!quiet) process.stderr.write(text)
      },
    })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText(
      'after',
      `
NAME is [[ENTITY/]PROJECT/]NAME; a version is NAME, NAME:ALIAS, NAME:vN or NAME@ID.
Exit codes: 0 done; 1 failed or differs; 2 usage; 3 not found; 4 remote unreachable;
5 some versions still pending or failed; 130 interrupted.
Environment: ARTIFACT_HOME, ARTIFACT_REMOTE, ARTIFACT_API_KEY, ARTIFACT_ENTITY, ARTIFACT_PROJECT,
ARTIFACT_MODE=online|offline, ARTIFACT_DAEMON=auto|never, ARTIFACT_LIMIT, ARTIFACT_CA_FILE,
HTTP_PROXY, HTTPS_PROXY, NO_PROXY.
artifactd [--limit RATE] [--log-format json|pretty] [--idle SECONDS] [--scan SECONDS] is the
daemon in the foreground.`,
    )
  defineLogging(program, context, print)
  defineReading(program, context, print)
  defineTracing(program, context, print)
  defineChanging(program, context, print)
  defineSyncing(program, context, print)
  defineKeeping(program, context, print)
  return program
}
