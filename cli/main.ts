import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Command, CommanderError, InvalidArgumentError, Option } from '@commander-js/extra-typings'
import { ArtifactError, ERRORS, systemCode } from '../src/errors.js'
import type { Context, Result } from './context.js'

/**
 * Runs `artifact` with these arguments, prints what it came to, and returns the exit code.
 * A command's code is loaded when it is used: `put` loads no server.
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
  const print = async (work: Promise<Result>) => {
    const result = await work
    bar?.stop()
    process.stdout.write(`${json ? JSON.stringify(result.data) : result.text}\n`)
    exitCode = result.exitCode ?? 0
  }
  try {
    await createProgram(context, { print, json }).parseAsync(args, { from: 'user' })
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

async function openProgressBar() {
  const { createProgressBar } = await import('./progress-bar.js')
  return createProgressBar(process.stderr)
}

type Print = (work: Promise<Result>) => Promise<void>

function createProgram(context: Context, { print, json: quiet }: { print: Print; json: boolean }) {
  const json = () => new Option('--json', 'print one JSON value on standard output')
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
ARTIFACT_MODE=online|offline, ARTIFACT_DAEMON=auto|never.`,
    )

  program
    .command('init')
    .description('make a store, or set its remote; optional, first use makes a store')
    .option('--remote <url>', 'server to sync to')
    .option('--entity <entity>', 'team on that server')
    .option('--digest <algorithm>', 'xxh128 (default), md5 or sha256; only for a new store')
    .addOption(json())
    .action(async options => {
      const { init } = await import('./commands/init.js')
      await print(init(options, context))
    })

  program
    .command('put')
    .description('log files, folders and references as a version of an artifact')
    .argument('<path[=name]...>', 'file, folder or URI, and its path in the artifact')
    .option('-n, --name <name>', 'artifact (default: base name of the first path)')
    .option('-t, --type <type>', 'type of a new artifact', 'dataset')
    .addOption(
      new Option('-a, --alias <alias>', 'alias besides latest; may be repeated').argParser(collect),
    )
    .option('-d, --description <text>', 'what it is')
    .option('--metadata <json>', 'JSON object, or @FILE')
    .addOption(
      new Option('--policy <policy>', 'copy into the store, or leave files in place until synced')
        .choices(['mutable', 'immutable'] as const)
        .default('mutable' as const),
    )
    .option('--ignore <pattern...>', 'leave files of folders out, by gitignore rules')
    .addOption(
      new Option('--symlinks <what>', 'store what links lead to, or make a link an error')
        .choices(['follow', 'refuse'] as const)
        .default('follow' as const),
    )
    .option('--no-checksum', 'do not ask what URIs lead to: one entry each, looked up by get')
    .addOption(
      new Option('--max-objects <number>', 'the most objects that a URI may stand for')
        .argParser(parseCount)
        .default(10_000),
    )
    .option('--group <group>', 'what parallel runs that build one version have in common')
    .option('--upsert', 'add to the version of the group, which comes to be with `finish`')
    .option('--wait', 'wait until the remote has it')
    .addOption(json())
    .action(async (paths, options) => {
      const { put } = await import('./commands/put.js')
      await print(put(paths, options, context))
    })

  program
    .command('finish')
    .description('make one version of all that a group of parallel runs upserted')
    .argument('<name>', 'artifact')
    .requiredOption('--group <group>', 'the group')
    .addOption(
      new Option('-a, --alias <alias>', 'alias besides latest; may be repeated').argParser(collect),
    )
    .addOption(
      new Option('--on-conflict <what>', 'where two runs have different content at one path')
        .choices(['error', 'last'] as const)
        .default('error' as const),
    )
    .option('--wait', 'wait until the remote has merged it')
    .addOption(json())
    .action(async (name, options) => {
      const { finish } = await import('./commands/finish.js')
      await print(finish(name, options, context))
    })

  program
    .command('get')
    .description('write a version to a folder, fetching what is not here')
    .argument('<name>', 'NAME[:ALIAS|:vN|@ID]')
    .option('--root <dir>', 'folder (default: ./artifacts/NAME-vN)')
    .option('--overwrite', 'replace files whose content is not in the store')
    .addOption(
      new Option('--link <how>', 'reflink, else copy; links lead to the store itself, read-only')
        .choices(['reflink', 'copy', 'hardlink', 'symlink'] as const)
        .default('reflink' as const),
    )
    .option('--verify', 'hash what is not copied too, rather than trust its recorded stat')
    .option('--allow-missing-references', 'leave out references whose bytes changed or are gone')
    .addOption(json())
    .action(async (name, options) => {
      const { get } = await import('./commands/get.js')
      await print(get(name, options, context))
    })

  program
    .command('ls')
    .description('list versions, here and on the remote')
    .argument('[project[/name]]')
    .option('-t, --type <type>', 'only of this type')
    .addOption(json())
    .action(async (where, options) => {
      const { ls } = await import('./commands/ls.js')
      await print(ls(where, options, context))
    })

  program
    .command('show')
    .description('print one version with its metadata')
    .argument('<name>', 'NAME[:ALIAS|:vN|@ID]')
    .addOption(json())
    .action(async (name, options) => {
      const { show } = await import('./commands/show.js')
      await print(show(name, options, context))
    })

  program
    .command('verify')
    .description('hash a version again, in the store or in a folder; exits 1 when it differs')
    .argument('[name]', 'NAME[:ALIAS|:vN|@ID]')
    .option('--root <dir>', 'folder to compare (default: the store)')
    .option(
      '--store',
      'hash everything in the store; changes nothing, goes on where it was stopped',
    )
    .option('--restart', 'with --store: begin anew')
    .addOption(json())
    .action(async (name, options) => {
      const { verify } = await import('./commands/verify.js')
      await print(verify(name, options, context))
    })

  program
    .command('repair')
    .description('move damaged bytes aside and get them again; exits 1 when some are lost')
    .argument('[name...]', 'NAME[:ALIAS|:vN|@ID] (default: everything in the store)')
    .addOption(json())
    .action(async (names, options) => {
      const { repair } = await import('./commands/repair.js')
      await print(repair(names, options, context))
    })

  program
    .command('sync')
    .description('push what is pending now')
    .option('--retry', 'also what failed before')
    .addOption(json())
    .action(async options => {
      const { sync } = await import('./commands/sync.js')
      await print(sync(options, context))
    })

  program
    .command('status')
    .description('pending, syncing and failed versions; artifactd; the remote; disk use')
    .addOption(json())
    .action(async options => {
      const { status } = await import('./commands/status.js')
      await print(status(options, context))
    })

  const daemon = program.command('daemon').description('the background process that syncs')
  daemon
    .command('start')
    .description('start artifactd, until it is stopped')
    .addOption(json())
    .action(async options => {
      const { daemonStart } = await import('./commands/daemon.js')
      await print(daemonStart(options, context))
    })
  daemon
    .command('stop')
    .description('end it; what is pending stays pending')
    .addOption(json())
    .action(async options => {
      const { daemonStop } = await import('./commands/daemon.js')
      await print(daemonStop(options, context))
    })
  daemon
    .command('status')
    .description('what it does; exits 1 when it does not run')
    .addOption(json())
    .action(async options => {
      const { daemonStatus } = await import('./commands/daemon.js')
      await print(daemonStatus(options, context))
    })

  program
    .command('server')
    .description('serve a store to others; ARTIFACT_SERVER_KEY is needed beyond this machine')
    .option('--listen <host:port>', 'address', '127.0.0.1:8345')
    .option('--data <dir>', 'folder of the server', 'artifactd-server')
    .action(async options => {
      const { server } = await import('./commands/server.js')
      await server(options, context)
    })

  return program
}

function collect(value: string, others: string[] | undefined): string[] {
  return [...(others ?? []), value]
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It is not a whole number from 1.')
}

function readVersion(): string {
  const path = fileURLToPath(import.meta.resolve('#package'))
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
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
