import { askRemote, type Workspace } from '../src/artifact/workspace.js'
import { checkEditable } from '../src/catalog/plan-edit.js'
import { ArtifactError } from '../src/errors.js'
import { collectionKey } from '../src/model/group-by-collection.js'
import type { CollectionName } from '../src/model/version.js'
import { resolveVersion } from '../src/sync/resolve.js'
import type { Context } from './context.js'
import { type ListedVersion, listVersions } from './list-versions.js'
import { type Doomed, parseDoomed } from './parse-doomed.js'

export interface RemovalRule {
  /** Milliseconds. */
  olderThan?: number
  /** How many of the newest versions stay, whatever their age. Default 1. */
  keep?: number
  /** Aliases other than `latest` hold no version. */
  deleteAliases?: boolean
}

/** A version as far as its deletion needs it. */
export interface DoomedVersion
  extends Pick<
    ListedVersion,
    | keyof CollectionName
    | 'id'
    | 'type'
    | 'number'
    | 'size'
    | 'createdAt'
    | 'state'
    | 'aliases'
    | 'local'
  > {}

export interface Selection {
  /** Each once, by collection and number. */
  doomed: DoomedVersion[]
  /** What the rule means, but aliases hold. */
  held: DoomedVersion[]
}

/**
 * Finds the versions that arguments of `artifact rm` stand for, here and on the remote.
 * @throws `USAGE` for an artifact without a rule, and for a version with one; `VERSION_HAS_ALIASES`,
 *   naming all, when versions that are named have aliases; `ARTIFACT_NOT_LOGGED` for what has no number
 *   yet; `ARTIFACT_NOT_FOUND`, `VERSION_NOT_FOUND`, `VERSION_DELETED`.
 */
export async function selectDoomed(
  workspace: Workspace,
  names: string[],
  { context, ...rule }: RemovalRule & { context: Context },
): Promise<Selection> {
  const { entity, project } = workspace.settings
  const targets = names.map(name => checkTarget(parseDoomed(name, { entity, project }), name, rule))
  const doomed = new Map<string, DoomedVersion>()
  const held = new Map<string, DoomedVersion>()
  for (const target of targets) {
    const isHeld = (version: DoomedVersion) => !rule.deleteAliases && holdersOf(version).length > 0
    for (const version of await findVersions(workspace, target, { context, ...rule })) {
      const to = isHeld(version) ? held : doomed
      to.set(version.id, version)
    }
  }
  if (held.size > 0 && !isRule(rule)) throw heldError([...held.values()])
  return { doomed: [...doomed.values()].sort(compare), held: [...held.values()].sort(compare) }
}

/** Aliases that keep a version from being deleted. */
export function holdersOf({ aliases }: Pick<DoomedVersion, 'aliases'>): string[] {
  return aliases.filter(alias => alias !== 'latest')
}

function isRule({ olderThan, keep }: RemovalRule): boolean {
  return olderThan !== undefined || keep !== undefined
}

function checkTarget(target: Doomed, text: string, rule: RemovalRule): Doomed {
  if (target.kind === 'artifact' && !isRule(rule)) {
    const message = `say which versions of "${text}": ${text}:vN, ${text}:vN..vM, --older-than or --keep`
    throw new ArtifactError('USAGE', message)
  }
  if (target.kind !== 'artifact' && isRule(rule)) {
    const message = `--older-than and --keep choose versions of an artifact; "${text}" names some`
    throw new ArtifactError('USAGE', message)
  }
  return target
}

async function findVersions(
  workspace: Workspace,
  target: Doomed,
  { olderThan = 0, keep = 1, context }: RemovalRule & { context: Context },
): Promise<DoomedVersion[]> {
  const { signal } = context
  if (target.kind === 'version') {
    const { store } = workspace
    const remote = await askRemote(workspace)
    const { version, local } = await resolveVersion(store, remote, target.name, {
      ...{ fresh: true, signal },
    })
    checkEditable(version)
    return [{ ...version, local }]
  }
  const { collection } = target
  const { project, name } = collection
  const all = await listVersions(workspace, collection, context)
  if (target.kind === 'range') {
    const { first, last } = target
    const found = all.filter(({ number }) => number >= first && number <= last)
    if (found.length > 0) return found
    const message = `"${project}/${name}" has no version from v${first} to v${last}`
    throw new ArtifactError('VERSION_NOT_FOUND', message, { details: { ...collection } })
  }
  if (all.length === 0) {
    const message = `there is no version of "${project}/${name}"`
    throw new ArtifactError('ARTIFACT_NOT_FOUND', message, { details: { ...collection } })
  }
  const before = Date.now() - olderThan
  const old = all.slice(0, -keep).filter(({ createdAt }) => Date.parse(createdAt) <= before)
  // What the rule leaves as the latest may be another version than the one that is.
  return old.filter(({ aliases }) => !aliases.includes('latest'))
}

function heldError(held: DoomedVersion[]): ArtifactError {
  const [first] = held
  const named = held
    .slice(0, 5)
    .map(version => `v${version.number} (${holdersOf(version).join(', ')})`)
  const more = held.length > named.length ? [`${held.length - named.length} more`] : []
  const message = `aliases hold "${first!.project}/${first!.name}": ${[...named, ...more].join(', ')}`
  return new ArtifactError('VERSION_HAS_ALIASES', message, {
    details: {
      versions: held.map(({ id, number, aliases, project, name }) => ({
        ...{ id, project, name, number, aliases },
      })),
    },
  })
}

function compare(a: DoomedVersion, b: DoomedVersion): number {
  const [left, right] = [collectionKey(a), collectionKey(b)]
  if (left !== right) return left < right ? -1 : 1
  return a.number - b.number
}
