import { type CacheUse, measureCache } from '../../src/store/measure-cache.js'
import { type Context, openContext, type Result } from '../context.js'
import { count, formatBytes, formatTable } from '../format.js'

export async function cache(_options: object, context: Context): Promise<Result> {
  const { settings, store } = openContext(context)
  const { signal } = context
  const use = await measureCache(store, { signal })
  const { cacheLimit, remote } = settings
  const data = { home: store.home, ...use, evictable: remote !== null, limit: cacheLimit }
  return { data, text: describe(data) }
}

function describe(
  data: CacheUse & { home: string; evictable: boolean; limit: number | null },
): string {
  const rows = data.projects.flatMap(({ entity, project, collections, sharedBytes }) => [
    ...collections.map(({ name, versions, evicted, bytes }) => [
      `${nameProject(entity, project)}/${name}`,
      count(versions, 'version') + (evicted > 0 ? `, ${evicted} evicted` : ''),
      formatBytes(bytes),
    ]),
    ...(sharedBytes > 0
      ? [[`${nameProject(entity, project)}`, 'shared in it', formatBytes(sharedBytes)]]
      : []),
  ])
  if (data.sharedBytes > 0) rows.push(['', 'shared by projects', formatBytes(data.sharedBytes)])
  const synced = data.evictable ? 'can be evicted' : 'synced, without a remote to fetch it from'
  const limit = data.limit === null ? '' : ` of ${formatBytes(data.limit)}`
  const rule = 'artifact cache clean frees it where it is a quarter of a pack or more'
  return [
    ...(rows.length > 0 ? [formatTable([['NAME', 'HOLDS', 'ALONE'], ...rows])] : []),
    `${data.home}: ${formatBytes(data.bytes)}${limit} in packs and objects`,
    `  ${formatBytes(data.pendingBytes)} pending, stays`,
    `  ${formatBytes(data.manifestBytes)} manifests, stay`,
    `  ${formatBytes(data.syncedBytes)} ${synced}`,
    `  ${formatBytes(data.deadBytes)} needed by no version: ${rule}`,
  ].join('\n')
}

function nameProject(entity: string, project: string): string {
  return entity === 'default' ? project : `${entity}/${project}`
}
