import { Option } from '@commander-js/extra-typings'
import type { Context } from '../context.js'
import { jsonOption, parseSize } from './options.js'
import type { Print, Program } from './program.js'

/** Commands about what the store keeps. */
export function defineKeeping(program: Program, context: Context, print: Print): void {
  const cache = program
    .command('cache')
    .description('what takes how much room in the store, by project and artifact')
    .addOption(jsonOption())
    .action(async options => {
      const { cache } = await import('../commands/cache.js')
      await print(cache(options, context))
    })
  cache
    .command('clean')
    .description('free what no version needs; with --max also what the server has')
    .addOption(
      new Option(
        '--max <size>',
        'such as 50GB: evict synced versions, least recently used first',
      ).argParser(parseSize),
    )
    .option('--dry-run', 'only say what would go')
    .addOption(jsonOption())
    .action(async options => {
      const { cacheClean } = await import('../commands/cache-clean.js')
      await print(cacheClean(options, context))
    })
}
