import { type BigIntStats, lstatSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Ignore } from 'ignore'
import { ArtifactError } from '../errors.js'
import { compareUtf8, isCanonicalPath } from '../model/artifact-path.js'
import { createBlock, cutBlock, type FolderBlock, setStat } from './folder-block.js'
import { orderFolders } from './folder-tree.js'
import { fileError, unsupported } from './source-file.js'

export interface ScanRequest {
  /** The folder that is added, absolute. */
  root: string
  /** The folder to scan, relative to it; '' for itself. */
  folder: string
  /** Real paths of the folders above and of itself, outermost first. */
  ancestors: string[]
  /** The real path of the store, which is no part of what it holds. */
  home: string
  rules: Ignore | undefined
  /** Links are an error that names them. */
  refuseLinks: boolean
  digestBytes: number
}

export interface ScannedFolder {
  /** Its files, of none of which the digest is known. */
  block: FolderBlock
  /** Folders in it, as `orderFolders` orders them, each with its real path. */
  folders: { name: string; real: string }[]
  dev: bigint
}

/**
 * Lists one folder and looks at each of its files, without reading any. Symbolic links are
 * followed.
 *
 * @throws `FILE_UNSUPPORTED` for what is neither file nor folder, for links that lead back into a
 *   folder they are in, for names that are not UTF-8, and for the store itself; `FILE_NOT_FOUND` for
 *   links that lead nowhere; `FILE_UNREADABLE`; `INVALID_PATH` for names that no artifact can hold.
 */
export function scanFolder(request: ScanRequest): ScannedFolder {
  const { root, folder, ancestors, home } = request
  const path = folder ? join(root, folder) : root
  if (ancestors.at(-1) === home) throw isStore(path)
  const names = listNames(path)
  const scan = new FolderScan(request, path, names)
  for (const name of names) scan.add(name)
  const block = cutBlock(scan.block, scan.files, request.digestBytes)
  return { block, folders: orderFolders(scan.folders), dev: look(path, statSync).dev }
}

/** What was seen of a folder so far. */
class FolderScan {
  readonly files: string[] = []
  readonly folders: ScannedFolder['folders'] = []
  /** As long as if every name were that of a file. */
  readonly block: FolderBlock
  readonly #request: ScanRequest
  readonly #prefix: string

  constructor(request: ScanRequest, path: string, names: string[]) {
    this.#request = request
    this.#prefix = path.endsWith('/') ? path : `${path}/`
    this.block = createBlock(names, request.digestBytes)
  }

  add(name: string): void {
    const file = this.#prefix + name
    if (!isCanonicalPath(`_/${name}`)) throw invalidName(file)
    const found = look(file, lstatSync)
    const linked = found.isSymbolicLink()
    if (this.#isIgnored(name, found.isDirectory())) return
    if (linked && this.#request.refuseLinks) throw unsupported(file, 'is a symbolic link')
    const stat = linked ? look(file, statSync) : found
    if (stat.isFile()) {
      setStat(this.block, this.files.push(name) - 1, stat)
    } else if (stat.isDirectory()) {
      if (linked && this.#isIgnored(name, true)) return
      const { ancestors } = this.#request
      const real = linked ? realpathSync(file) : join(ancestors.at(-1)!, name)
      if (ancestors.includes(real)) {
        throw unsupported(file, `leads back to ${real}, a folder that it is in`)
      }
      this.folders.push({ name, real })
    } else {
      throw unsupported(file, 'is not a file or a folder')
    }
  }

  #isIgnored(name: string, isFolder: boolean): boolean {
    const { rules, folder } = this.#request
    if (!rules) return false
    const relative = folder ? `${folder}/${name}` : name
    return rules.ignores(isFolder ? `${relative}/` : relative)
  }
}

function listNames(path: string): string[] {
  let names: string[]
  try {
    names = readdirSync(path)
  } catch (error) {
    throw fileError(error, path)
  }
  checkNames(path, names)
  return names.sort(compareUtf8)
}

/** Bytes that are not UTF-8 are read as U+FFFD: such a name could not be opened again. */
export function checkNames(path: string, names: string[]): void {
  if (!names.some(name => name.includes('\ufffd'))) return
  for (const bytes of readdirSync(path, { encoding: 'buffer' })) {
    if (Buffer.from(bytes.toString('utf8'), 'utf8').equals(bytes)) continue
    throw unsupported(join(path, bytes.toString('latin1')), 'has a name that is not UTF-8')
  }
}

type Look = (path: string, options: { bigint: true }) => BigIntStats

export function look(file: string, stat: Look): BigIntStats {
  try {
    return stat(file, { bigint: true })
  } catch (error) {
    throw fileError(error, file)
  }
}

export function isStore(folder: string): ArtifactError {
  return unsupported(folder, 'is the store itself, which grows by what is logged: leave it out')
}

function invalidName(file: string): ArtifactError {
  return new ArtifactError('INVALID_PATH', `no path of an artifact: ${JSON.stringify(file)}`, {
    details: { file },
  })
}
