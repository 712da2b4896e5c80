import { Option } from '@commander-js/extra-typings'
import type { Context } from '../context.js'
import { jsonOption } from './options.js'
import type { Print, Program } from './program.js'

/** Commands that read and check what was logged. */
export function defineReading(program: Program, context: Context, print: Print): void {
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
    .addOption(jsonOption())
    .action(async (name, options) => {
      const { get } = await import('../commands/get.js')
      await print(get(name, options, context))
    })

  program
    .command('ls')
    .description('list versions, here and on the remote')
    .argument('[project[/name]]')
    .option('-t, --type <type>', 'only of this type')
    .addOption(jsonOption())
    .action(async (where, options) => {
      const { ls } = await import('../commands/ls.js')
      await print(ls(where, options, context))
    })

  program
    .command('show')
    .description('print one version with its metadata')
    .argument('<name>', 'NAME[:ALIAS|:vN|@ID]')
    .addOption(jsonOption())
    .action(async (name, options) => {
      const { show } = await import('../commands/show.js')
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
    .addOption(jsonOption())
    .action(async (name, options) => {
      const { verify } = await import('../commands/verify.js')
      await print(verify(name, options, context))
    })

  program
    .command('repair')
    .description('move damaged bytes aside and get them again; exits 1 when some are lost')
    .argument('[name...]', 'NAME[:ALIAS|:vN|@ID] (default: everything in the store)')
    .addOption(jsonOption())
    .action(async (names, options) => {
      const { repair } = await import('../commands/repair.js')
      await print(repair(names, options, context))
    })
}
