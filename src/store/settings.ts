import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import envPaths from 'env-paths'
import { ensureFolder, syncFolder } from '../disk/publish.js'
import { ArtifactError, storeError, systemCode } from '../errors.js'
import { homePaths } from '../model/home.js'
import { checkEntity, checkProject, DEFAULT_ENTITY, DEFAULT_PROJECT } from '../model/names.js'
import { parseBytes } from '../model/parse-bytes.js'

/** How a process is set up: environment over `config.json` over defaults. */
export interface Settings {
  /** Absolute. `ARTIFACT_HOME`, else the platform's data folder + `/artifactd`. */
  home: string
  /** `ARTIFACT_REMOTE`, else `remote` of config.json; null when there is none. */
  remote: string | null
  /** `ARTIFACT_API_KEY`, else the file `api-key` of the home. */
  apiKey: string | null
  /** `ARTIFACT_ENTITY`, else `entity` of config.json, else "default". */
  entity: string
  /** `ARTIFACT_PROJECT`, else `project` of config.json, else "uncategorized". */
  project: string
  /**
   * `ARTIFACT_CA_FILE`, else `caFile` of config.json: an absolute path, or null. Its certificates (PEM)
   * are trusted instead of the system's.
   */
  caFile: string | null
  /**
   * `ARTIFACT_LIMIT`, else `limit` of config.json, such as `10MB`: bytes a second that this process
   * sends and receives together. Null: no limit.
   */
  limit: number | null
  /**
   * `cacheLimit` of config.json, such as `50GB`: bytes that packs and objects of the store may take,
   * kept by artifactd. Null: any number.
   */
  cacheLimit: number | null
  /** `ARTIFACT_MODE`; `offline` contacts no remote. Default `online`. */
  mode: 'online' | 'offline'
  /** `ARTIFACT_DAEMON`; `never` starts no artifactd. Default `auto`. */
  daemon: 'auto' | 'never'
}

/** What config.json holds; keys that are not known are kept. */
export interface ConfigFile {
  remote?: string
  entity?: string
  project?: string
  caFile?: string
  limit?: string
  cacheLimit?: string
}

const MIN_LIMIT = 10_000

type Environment = Record<string, string | undefined>

/**
 * Reads the settings once, at the edge of a process.
 * @param home overrides `ARTIFACT_HOME`.
 * @throws `INVALID_CONFIG` or `INVALID_NAME`, naming the setting.
 */
export function readSettings(env: Environment, { home }: { home?: string } = {}): Settings {
  const root = resolveHome(home ?? (env.ARTIFACT_HOME || undefined))
  const config = readConfig(root)
  const remote = env.ARTIFACT_REMOTE || config.remote || null
  const caFile = env.ARTIFACT_CA_FILE || config.caFile
  const limit = env.ARTIFACT_LIMIT || config.limit
  return {
    home: root,
    remote: remote === null ? null : checkRemoteUrl(remote),
    apiKey: env.ARTIFACT_API_KEY || readKey(root),
    entity: checkEntity(env.ARTIFACT_ENTITY || config.entity || DEFAULT_ENTITY),
    project: checkProject(env.ARTIFACT_PROJECT || config.project || DEFAULT_PROJECT),
    caFile: caFile ? resolve(caFile) : null,
    limit: limit ? parseLimit(limit) : null,
    cacheLimit: config.cacheLimit ? parseCacheLimit(config.cacheLimit) : null,
    mode: choose(env, 'ARTIFACT_MODE', ['online', 'offline']),
    daemon: choose(env, 'ARTIFACT_DAEMON', ['auto', 'never']),
  }
}

/** Changes config.json, atomically. */
export function writeConfig(home: string, changes: ConfigFile): void {
  const path = homePaths(home).config
  const config = { ...readConfig(home), ...changes }
  const temporary = `${path}.${process.pid}`
  try {
    ensureFolder(home)
    writeFileSync(temporary, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600, flush: true })
    renameSync(temporary, path)
    syncFolder(home)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw storeError(error, `writing ${path}`)
  }
}

/**
 * An http(s) URL without credentials, query or fragment, and without a slash at its end.
 * @throws `INVALID_CONFIG`.
 */
export function checkRemoteUrl(text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch (error) {
    throw new ArtifactError('INVALID_CONFIG', `not the URL of a remote: ${text}`, { cause: error })
  }
  const plain = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (!plain || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new ArtifactError(
      'INVALID_CONFIG',
      'a remote is an http:// or https:// URL without credentials, query or fragment; ' +
        'the key goes into ARTIFACT_API_KEY',
    )
  }
  return url.href.replace(/\/+$/, '')
}

/**
 * Bytes a second of a text such as `10MB`, `512KiB` or `10MB/s`.
 * @throws `INVALID_CONFIG` for anything else, and below 10 kB, where connections would time out.
 */
export function parseLimit(text: string): number {
  const bytes = parseBytes(text.replace(/\/s$/, ''))
  if (bytes !== undefined && bytes >= MIN_LIMIT) return bytes
  const message = `a limit is bytes a second, at least 10KB, such as 10MB, and not "${text}"`
  throw new ArtifactError('INVALID_CONFIG', message, { details: { limit: text } })
}

/** @throws `INVALID_CONFIG` for what is no size, such as `50GB`. */
export function parseCacheLimit(text: string): number {
  const bytes = parseBytes(text)
  if (bytes !== undefined) return bytes
  const message = `a cache limit is a size such as 50GB, and not "${text}"`
  throw new ArtifactError('INVALID_CONFIG', message, { details: { cacheLimit: text } })
}

function resolveHome(given: string | undefined): string {
  if (given !== undefined) return resolve(given)
  const { data } = envPaths('artifactd', { suffix: '' })
  return isAbsolute(data) ? data : join(process.cwd(), data)
}

function readConfig(home: string): ConfigFile {
  const path = homePaths(home).config
  const text = readIfThere(path)
  if (text === undefined) return {}
  let config: unknown
  try {
    config = JSON.parse(text)
  } catch (error) {
    throw new ArtifactError('INVALID_CONFIG', `${path} is not JSON`, { cause: error })
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new ArtifactError('INVALID_CONFIG', `${path} must hold an object`)
  }
  for (const key of ['remote', 'entity', 'project', 'caFile', 'limit', 'cacheLimit'] as const) {
    const value = (config as Record<string, unknown>)[key]
    if (value === undefined || typeof value === 'string') continue
    throw new ArtifactError('INVALID_CONFIG', `"${key}" in ${path} must be a string`)
  }
  return config
}

function readKey(home: string): string | null {
  return readIfThere(homePaths(home).key)?.trim() || null
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw storeError(error, `reading ${path}`)
  }
}

function choose<const T extends string>(env: Environment, name: string, options: [T, ...T[]]): T {
  const value = env[name]
  if (value === undefined || value === '') return options[0]
  const found = options.find(option => option === value)
  if (found) return found
  throw new ArtifactError('INVALID_CONFIG', `${name} is "${value}"; use ${options.join(' or ')}`)
}
