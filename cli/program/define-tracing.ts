import { Option } from '@commander-js/extra-typings'
import type { Context } from '../context.js'
import { jsonOption, parseCount } from './options.js'
import type { Print, Program } from './program.js'

/** Commands that compare versions, and tell where they come from. */
export function defineTracing(program: Program, context: Context, print: Print): void {
  program
    .command('diff')
    .description('files that differ between two versions; exits 1 when some do')
    .argument('<before>', 'NAME[:ALIAS|:vN|@ID]')
    .argument('<after>', 'NAME[:ALIAS|:vN|@ID]')
    .addOption(jsonOption())
    .action(async (before, after, options) => {
      const { diff } = await import('../commands/diff.js')
      await print(diff(before, after, { ...options, context }))
    })

  program
    .command('lineage')
    .description('the runs that logged and used a version, what they used and logged, and so on')
    .argument('<name>', 'NAME[:ALIAS|:vN|@ID]')
    .option('--upstream', 'only what it was made from')
    .option('--downstream', 'only what was made of it')
    .addOption(new Option('--depth <number>', 'at most so many runs away').argParser(parseCount))
    .addOption(jsonOption())
    .action(async (name, options) => {
      const { lineage } = await import('../commands/lineage.js')
      await print(lineage(name, options, context))
    })
}
