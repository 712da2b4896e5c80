import { ArtifactError } from '../errors.js'
import type { Piece } from '../model/entry.js'
import type { Selector } from '../model/reference-name.js'
import type { CollectionName, Version } from '../model/version.js'
import type { AliasRow, NumberRow, VersionRow } from './apply-record.js'
import type { FoundVersion, Page, VersionFilter, VersionSummary } from './catalog.js'
import type { DeletedVersion } from './changing.js'
import { keyRange, keys, pageRange } from './keys.js'
import { deletedError } from './plan-delete.js'
import type { Database } from './transaction.js'

/** Versions in one page of a list. */
const PAGE = 500

/** See `Catalog.findVersion`. */
export async function findVersion(
  db: Database,
  collection: CollectionName,
  selector: Selector,
): Promise<FoundVersion> {
  const { entity, project, name } = collection
  if (!(await db.get(keys.collection(collection)))) {
    throw new ArtifactError('ARTIFACT_NOT_FOUND', `there is no artifact "${project}/${name}"`, {
      details: { entity, project, name },
    })
  }
  if (selector.kind === 'number') return findByNumber(db, collection, selector.number)
  if (selector.kind === 'id') return findById(db, collection, selector.id)
  const alias = (await db.get(keys.alias(collection, selector.alias))) as AliasRow | undefined
  const version = alias && (await getVersion(db, alias.id))
  if (alias?.removed) throw notFound(collection, selector.alias, { removed: true })
  if (!alias || !version) throw notFound(collection, selector.alias)
  const pendingAlias = alias.pending !== undefined
  return { ...(await withRow(db, version)), asOf: alias.asOf, pendingAlias }
}

async function findByNumber(db: Database, collection: CollectionName, number: number) {
  const row = (await db.get(keys.number(collection, number))) as NumberRow | undefined
  const was = row?.was && (await getVersion(db, row.was))
  if (row && was) {
    const name = `${collection.project}/${collection.name}`
    const now = row.id ? `@${row.id}` : 'a version that is not here'
    throw new ArtifactError(
      'VERSION_RENUMBERED',
      `"${name}:v${number}" was @${was.id} here, which is v${was.number} now; ` +
        `on the remote v${number} is ${now}`,
      { details: { name, number, was: was.id, wasNow: was.number, is: row.id ?? null } },
    )
  }
  const version = row?.id ? await getVersion(db, row.id) : null
  const gone = row?.id && ((await db.get(keys.deleted(row.id))) as DeletedVersion | undefined)
  if (gone) throw deletedError(gone)
  if (!version) throw notFound(collection, `v${number}`)
  return withRow(db, version)
}

async function findById(db: Database, collection: CollectionName, prefix: string) {
  const range = { gte: keys.version(prefix), lt: keys.version(`${prefix}g`) }
  const rows = (await db.values(range).all()) as VersionRow[]
  const [row, other] = rows.filter(
    ({ entity, project, name, state }) =>
      entity === collection.entity &&
      project === collection.project &&
      name === collection.name &&
      state !== 'open',
  )
  if (other) {
    throw new ArtifactError('INVALID_REFERENCE', `@${prefix} is the beginning of several ids`)
  }
  const version = row && (await getVersion(db, row.id))
  if (!version) await expectNotDeleted(db, collection, prefix)
  if (!version) throw notFound(collection, `@${prefix}`)
  return withRow(db, version)
}

/** @throws `VERSION_DELETED` for the beginning of the id of what was deleted. */
async function expectNotDeleted(db: Database, collection: CollectionName, prefix: string) {
  const range = { gte: keys.deleted(prefix), lt: keys.deleted(`${prefix}g`) }
  const { entity, project, name } = collection
  for (const gone of (await db.values(range).all()) as DeletedVersion[]) {
    if (gone.entity !== entity || gone.project !== project || gone.name !== name) continue
    throw deletedError(gone)
  }
}

async function withRow(db: Database, version: Version): Promise<FoundVersion> {
  const row = (await db.get(keys.version(version.id))) as VersionRow
  return { version, asOf: null, pendingAlias: false, settled: row.settled }
}

/** See `Catalog.getVersion`. */
export async function getVersion(db: Database, id: string): Promise<Version | null> {
  // Both as of one moment: a commit may delete the version meanwhile.
  const [row, pieces] = (await db.getMany([keys.version(id), keys.pieces(id)])) as [
    VersionRow | undefined,
    Piece[],
  ]
  if (!row) return null
  const aliases = await listAliases(db, row)
  const { settled: _, external: __, error: ___, remoteId: ____, edited: _____, ...content } = row
  return { ...content, pieces, aliases: aliases.get(id) ?? [] }
}

async function listAliases(db: Database, name: CollectionName): Promise<Map<string, string[]>> {
  const byVersion = new Map<string, string[]>()
  const range = keyRange('alias', name.entity, name.project, name.name)
  for await (const [key, value] of db.iterator(range)) {
    const { id, removed } = value as AliasRow
    if (removed) continue
    const alias = key.slice(key.lastIndexOf('\0') + 1)
    byVersion.set(id, [...(byVersion.get(id) ?? []), alias])
  }
  return byVersion
}

/** See `Catalog.listVersions`. */
export async function listVersions(
  db: Database,
  filter: VersionFilter,
  after?: string,
): Promise<Page<VersionSummary>> {
  const prefix: string[] = []
  for (const part of [filter.entity, filter.project, filter.name]) {
    if (part === undefined) break
    prefix.push(part)
  }
  const range = pageRange(keyRange('number', ...prefix), after)
  const items: VersionSummary[] = []
  const aliasesOf = new Map<string, Map<string, string[]>>()
  for await (const [key, value] of db.iterator(range)) {
    const { id } = value as NumberRow
    const row = id ? ((await db.get(keys.version(id))) as VersionRow | undefined) : undefined
    if (!row || !matches(row, filter)) continue
    const collection = keys.collection(row)
    if (!aliasesOf.has(collection)) aliasesOf.set(collection, await listAliases(db, row))
    const { external: _, remoteId: __, edited: ___, ...summary } = row
    items.push({ ...summary, aliases: aliasesOf.get(collection)?.get(row.id) ?? [] })
    if (items.length === PAGE) return { items, next: key }
  }
  return { items }
}

function matches(row: VersionRow, filter: VersionFilter): boolean {
  return (['entity', 'project', 'name', 'type', 'state'] as const).every(
    field => filter[field] === undefined || filter[field] === row[field],
  )
}

function notFound(
  { entity, project, name }: CollectionName,
  selector: string,
  more: { removed?: true } = {},
): ArtifactError {
  return new ArtifactError('VERSION_NOT_FOUND', `"${project}/${name}" has no version ${selector}`, {
    details: { entity, project, name, selector, ...more },
  })
}
