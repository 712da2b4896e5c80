import type { Context } from '../context.js'
import { jsonOption } from './options.js'
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
}
