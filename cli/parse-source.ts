import { type Stats, statSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { ArtifactError, systemCode } from '../src/errors.js'
import { parseReferenceUri, referenceBaseName } from '../src/references/parse-uri.js'
import { splitNamedUri } from '../src/references/split-named-uri.js'
import { fileError } from '../src/store/source-file.js'

/** What `put` is given: a file, a folder or a URI, and its path in the artifact. */
export interface Source {
  kind: 'file' | 'folder' | 'reference'
  /** The path as it was given, or the URI. */
  path: string
  target: string | undefined
}

/**
 * `PATH[=NAME]` or `URI[=NAME]`; either part may hold "=", and the first is the longest that
 * exists. What stands on the disk is no URI.
 * @throws `FILE_NOT_FOUND`, and as `splitNamedUri`.
 */
export async function parseSource(
  text: string,
  { signal }: { signal?: AbortSignal },
): Promise<Source> {
  const whole = statIfThere(text)
  if (whole) return toSource(text, whole)
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) {
    const { uri, name } = await splitNamedUri(text, { signal })
    return { kind: 'reference', path: uri, target: name }
  }
  for (let at = text.lastIndexOf('='); at > 0; at = text.lastIndexOf('=', at - 1)) {
    const path = text.slice(0, at)
    const stat = statIfThere(path)
    if (stat) return toSource(path, stat, text.slice(at + 1))
  }
  const [path = text] = text.split('=')
  throw new ArtifactError('FILE_NOT_FOUND', `there is no file or folder ${path || text}`, {
    details: { file: path || text },
  })
}

/** The last part of a path or of a URI; of a bucket its name. */
export function sourceBaseName({ kind, path }: Source): string {
  if (kind !== 'reference') return basename(resolve(path))
  return referenceBaseName(parseReferenceUri(path)) || /:\/\/([^/]*)/.exec(path)?.[1] || path
}

function toSource(path: string, stat: Stats, target?: string): Source {
  return { kind: stat.isDirectory() ? 'folder' : 'file', path, target }
}

function statIfThere(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw fileError(error, path)
  }
}
