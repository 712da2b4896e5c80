import { type BigIntStats, type Dirent, existsSync, realpathSync, statSync } from 'node:fs'
import { readdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import ignore, { type Ignore } from 'ignore'
import { checkNames, isStore, look } from './scan-folder.js'
import { fileError, unsupported } from './source-file.js'

export interface FoundFile {
  /** Absolute. */
  file: string
  /** Relative to the folder, with `/`. */
  path: string
}

/**
 * Every file below a folder, in the order of names, folder by folder. Symbolic links are followed,
 * as W&B does, or refused with `refuseLinks`; empty folders leave no trace.
 *
 * @param home of the store, if it must not be walked.
 * @param patterns gitignore rules, case-sensitive, against paths relative to the folder.
 * @throws `FILE_UNSUPPORTED` for sockets, devices, fifos and for links that lead back into a
 *   folder they are in, for names that are not UTF-8, and for the store itself; `FILE_NOT_FOUND` for links that lead
 *   nowhere; `FILE_UNREADABLE`.
 */
export async function* walkFolder(
  root: string,
  patterns: string[] = [],
  { refuseLinks = false, home }: { refuseLinks?: boolean; home?: string } = {},
): AsyncGenerator<FoundFile, void, undefined> {
  const rules = ignore({ ignorecase: false }).add(patterns)
  yield* walk(
    { root, rules, refuseLinks, home: home && existsSync(home) ? realpathSync(home) : home },
    '',
    [await resolveLink(root)],
  )
}

interface Walk {
  root: string
  rules: Ignore
  refuseLinks: boolean
  /** Real. */
  home: string | undefined
}

async function* walk(
  context: Walk,
  folder: string,
  ancestors: string[],
): AsyncGenerator<FoundFile> {
  const absolute = join(context.root, folder)
  if (ancestors.at(-1) === context.home) throw isStore(absolute)
  let entries: Dirent[]
  try {
    entries = await readdir(absolute, { withFileTypes: true })
  } catch (error) {
    throw fileError(error, absolute)
  }
  checkNames(
    absolute,
    entries.map(({ name }) => name),
  )
  entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of entries) {
    const path = folder ? `${folder}/${entry.name}` : entry.name
    const file = join(context.root, path)
    const linked = entry.isSymbolicLink()
    if (linked && context.rules.ignores(path)) continue
    if (linked && context.refuseLinks) throw unsupported(file, 'is a symbolic link')
    const kind: Dirent | BigIntStats = linked ? look(file, statSync) : entry
    if (context.rules.ignores(kind.isDirectory() ? `${path}/` : path)) continue
    if (kind.isDirectory()) {
      const real = linked ? await resolveLink(file) : join(ancestors.at(-1)!, entry.name)
      if (ancestors.includes(real)) {
        throw unsupported(file, `leads back to ${real}, a folder that it is in`)
      }
      yield* walk(context, path, [...ancestors, real])
    } else if (kind.isFile()) {
      yield { file, path }
    } else {
      throw unsupported(file, 'is not a file or a folder')
    }
  }
}

async function resolveLink(file: string): Promise<string> {
  try {
    return await realpath(file)
  } catch (error) {
    throw fileError(error, file)
  }
}
