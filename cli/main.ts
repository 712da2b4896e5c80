import { once } from 'node:events'
import { CommanderError } from '@commander-js/extra-typings'
import { ArtifactError, ERRORS, systemCode } from '../src/errors.js'
import type { Context } from './context.js'
import { createProgram, type Print } from './program/program.js'

/**
 * Runs `artifact` with these arguments, prints what it came to, and returns the exit code.
 */
export async function main(args: string[]): Promise<number> {
  const abort = new AbortController()
  const interrupt = () => {
    if (abort.signal.aborted) process.exit(ERRORS.INTERRUPTED.exit)
    abort.abort()
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  const json = args.includes('--json')
  const bar = process.stderr.isTTY && !json ? await openProgressBar() : undefined
  const context: Context = {
    env: process.env,
    signal: abort.signal,
    onProgress: progress => bar?.update(progress),
    note: text => {
      if (!json) process.stderr.write(`${text}\n`)
    },
  }
  // Whoever reads the output may have enough of it: `artifact ls | head -1`.
  process.stdout.on('error', error => {
    if (systemCode(error) !== 'EPIPE') throw error
  })
  let exitCode = 0
  const print: Print = async work => {
    if (Symbol.asyncIterator in work) {
      exitCode = await printParts(work)
      return
    }
    const result = await work
    bar?.stop()
    process.stdout.write(`${json ? JSON.stringify(result.data) : result.text}\n`)
    exitCode = result.exitCode ?? 0
  }
  try {
    await createProgram(context, { print, quiet: json }).parseAsync(args, { from: 'user' })
  } catch (error) {
    bar?.stop()
    exitCode = report(error, { json, interrupted: abort.signal.aborted })
  } finally {
    process.removeListener('SIGINT', interrupt)
    process.removeListener('SIGTERM', interrupt)
  }
  // What was being read or written then is not worth waiting for.
  if (exitCode === ERRORS.INTERRUPTED.exit) process.exit(exitCode)
  return exitCode
}

/** Waits where whoever reads the output is slower. @returns the exit code that the parts end with. */
async function printParts(parts: AsyncGenerator<string, number>): Promise<number> {
  for (;;) {
    const { done, value } = await parts.next()
    if (done) return value
    if (!process.stdout.write(value)) await once(process.stdout, 'drain')
  }
}

async function openProgressBar() {
  const { createProgressBar } = await import('./progress-bar.js')
  return createProgressBar(process.stderr)
}

/** Tells what went wrong, on standard error, and gives the exit code for it. */
function report(error: unknown, { json, interrupted }: { json: boolean; interrupted: boolean }) {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return 0
    // Without --json it has been printed, with the help.
    if (json) printError(new ArtifactError('USAGE', error.message))
    return ERRORS.USAGE.exit
  }
  const known = interrupted ? new ArtifactError('INTERRUPTED', 'interrupted') : error
  if (!(known instanceof ArtifactError)) {
    process.stderr.write(`artifact: ${(error as Error)?.stack ?? String(error)}\n`)
    return 1
  }
  if (json) printError(known)
  else process.stderr.write(`artifact: ${known.message} (${known.code})\n  ${known.hint}\n`)
  return ERRORS[known.code].exit
}

function printError({ code, message, hint, details }: ArtifactError): void {
  process.stderr.write(`${JSON.stringify({ error: { code, message, hint, details } })}\n`)
}
