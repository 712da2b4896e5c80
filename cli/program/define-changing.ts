import { Option } from '@commander-js/extra-typings'
import type { Context } from '../context.js'
import { jsonOption, parseCount, parseTime } from './options.js'
import type { Print, Program } from './program.js'

/** Commands that change what was logged. */
export function defineChanging(program: Program, context: Context, print: Print): void {
  program
    .command('alias')
    .description('give a version aliases, which they move to, or take some away')
    .argument('<name>', 'NAME[:ALIAS|:vN|@ID]')
    .argument('[alias...]', 'aliases; neither latest nor vN')
    .option('--remove <alias...>', 'take these from it')
    .addOption(jsonOption())
    .action(async (name, add, options) => {
      const { changeList } = await import('../commands/change-list.js')
      await print(changeList('aliases', name, { add, remove: options.remove, context }))
    })

  program
    .command('tag')
    .description('add tags to a version, or take some away')
    .argument('<name>', 'NAME[:ALIAS|:vN|@ID]')
    .argument('[tag...]', 'words of letters, digits, "_" and "-"')
    .option('--remove <tag...>', 'take these from it')
    .addOption(jsonOption())
    .action(async (name, add, options) => {
      const { changeList } = await import('../commands/change-list.js')
      await print(changeList('tags', name, { add, remove: options.remove, context }))
    })

  program
    .command('edit')
    .description('change the description and metadata of a version')
    .argument('<name>', 'NAME[:ALIAS|:vN|@ID]')
    .option('-d, --description <text>', 'what it is; an empty text takes it away')
    .option('--metadata <json>', 'JSON object, or @FILE, that replaces the metadata whole')
    .addOption(jsonOption())
    .action(async (name, options) => {
      const { edit } = await import('../commands/edit.js')
      await print(edit(name, options, context))
    })

  program
    .command('rm')
    .description('delete versions: their numbers are never used again')
    .argument('<name...>', 'NAME:vN, :ALIAS, @ID, a range NAME:vN..vM, or NAME with a rule')
    .addOption(
      new Option(
        '--older-than <time>',
        'versions of NAME logged longer ago, such as 30d',
      ).argParser(parseTime),
    )
    .addOption(
      new Option(
        '--keep <number>',
        'versions of NAME but so many of the newest (default: 1)',
      ).argParser(parseCount),
    )
    .option('--delete-aliases', 'also what has aliases besides latest')
    .option('--dry-run', 'only say what would go, and what that frees')
    .addOption(jsonOption())
    .action(async (names, options) => {
      const { rm } = await import('../commands/rm.js')
      await print(rm(names, options, context))
    })
}
