import { ArtifactError } from '../errors.js'
import { type Edge, type EdgeQuery, type FoundEdge, MAX_EDGE_QUERIES } from '../model/lineage.js'
import { NO_NUMBER } from '../model/version.js'
import type { VersionRow } from './apply-record.js'
import type { Page } from './catalog.js'
import type { DeletedVersion } from './changing.js'
import { edgeRange, keys, pageRange } from './keys.js'
import type { Database } from './transaction.js'

/** Edges in one page: about 400 kB. */
const PAGE = 1000

/** See `Catalog.listEdges`. `next` is the number of a query and the last key of its range. */
export async function listEdges(
  db: Database,
  queries: EdgeQuery[],
  after?: string,
): Promise<Page<FoundEdge>> {
  if (queries.length > MAX_EDGE_QUERIES) {
    throw new TypeError(`at most ${MAX_EDGE_QUERIES} queries a call`)
  }
  const edges: Edge[] = []
  const [first, key] = after === undefined ? [0, undefined] : parseAfter(queries, after)
  for (let index = first; index < queries.length; index += 1) {
    const range = pageRange(edgeRange(queries[index]!), index === first ? key : undefined)
    for await (const [key, edge] of db.iterator(range)) {
      edges.push(edge as Edge)
      if (edges.length === PAGE) {
        return { items: await describeEdges(db, edges), next: `${index}:${key}` }
      }
    }
  }
  return { items: await describeEdges(db, edges) }
}

function parseAfter(queries: EdgeQuery[], after: string): [index: number, key: string] {
  const [, digits, key = ''] = /^(\d{1,4}):(.*)$/s.exec(after) ?? []
  const query = queries[Number(digits)]
  const range = query && edgeRange(query)
  if (range && key >= range.gte && key < range.lt) return [Number(digits), key]
  throw new ArtifactError('REQUEST_INVALID', '"after" is not the "next" of a page')
}

async function describeEdges(db: Database, edges: Edge[]): Promise<FoundEdge[]> {
  const rows = await db.getMany(edges.map(({ version }) => keys.version(version.id)))
  const deleted = await db.getMany(edges.map(({ version }) => keys.deleted(version.id)))
  return edges.map((edge, index) => {
    const gone = deleted[index] as DeletedVersion | undefined
    const row = gone
      ? { ...gone, state: 'deleted' as const }
      : (rows[index] as VersionRow | undefined)
    // It may have another name since.
    const { id, entity, project, name, type } = row ?? edge.version
    const { remoteId } = row ?? {}
    return {
      ...edge,
      version: {
        ...{ id, entity, project, name, type },
        number: !row || row.number === NO_NUMBER ? null : row.number,
        state: row?.state ?? null,
        ...(remoteId !== undefined && { remoteId }),
      },
    }
  })
}
