import { Option } from '@commander-js/extra-typings'
import { startIngestThread } from '../../src/store/ingest-thread.js'
import type { Context } from '../context.js'
import { collect, jsonOption, parseCount } from './options.js'
import type { Print, Program } from './program.js'

/** Commands that log. */
export function defineLogging(program: Program, context: Context, print: Print): void {
  program
    .command('init')
    .description('make a store, or set its remote; optional, first use makes a store')
    .option('--remote <url>', 'server to sync to')
    .option('--entity <entity>', 'team on that server')
    .option('--limit <rate>', 'most bytes a second to and from it, such as 10MB; "none" ends it')
    .option('--ca-file <file>', 'PEM certificates to trust for it; "none" for those of the system')
    .option(
      '--cache-limit <size>',
      'such as 50GB: artifactd evicts what the server has; none ends it',
    )
    .option('--digest <algorithm>', 'xxh128 (default), md5 or sha256; only for a new store')
    .addOption(jsonOption())
    .action(async options => {
      const { init } = await import('../commands/init.js')
      await print(init(options, context))
    })

  program
    .command('put')
    .description('log files, folders and references as a version of an artifact')
    .argument('[path[=name]...]', 'file, folder or URI, and its path in the artifact')
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
    .option(
      '--ignore <pattern...>',
      'leave files of folders out, by gitignore rules that come after those of an .artifactignore in the folder',
    )
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
    .option('--incremental', 'merge onto the latest version: add and replace, keep the rest')
    .addOption(
      new Option(
        '--remove <path>',
        'with --incremental: take a file or folder out; may be repeated',
      ).argParser(collect),
    )
    .option('--group <group>', 'what parallel runs that build one version have in common')
    .option('--upsert', 'add to the version of the group, which comes to be with `finish`')
    .option('--wait', 'wait until the remote has it')
    .addOption(jsonOption())
    .action(async (paths, options, command) => {
      if (paths.length === 0 && !options.remove) {
        command.error("error: missing required argument 'path[=name]'")
      }
      startIngestThread()
      const { put } = await import('../commands/put.js')
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
    .addOption(jsonOption())
    .action(async (name, options) => {
      const { finish } = await import('../commands/finish.js')
      await print(finish(name, options, context))
    })
}
