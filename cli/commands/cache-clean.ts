import { remoteOpener, whyOffline } from '../../src/artifact/workspace.js'
import { NO_NUMBER } from '../../src/model/version.js'
import { type CleanResult, cleanStore } from '../../src/sync/clean-store.js'
import { type Context, openContext, type Result } from '../context.js'
import { formatBytes } from '../format.js'

/** Repeats of a question to the remote. */
const RETRIES = 1

export async function cacheClean(
  { max, dryRun = false }: { max?: number; dryRun?: boolean },
  context: Context,
): Promise<Result> {
  const workspace = openContext(context, { hostPlace: 'thread' })
  const { settings, store } = workspace
  const why = max === undefined ? undefined : whyOffline(workspace)
  const openRemote = await remoteOpener(workspace, { retries: RETRIES })
  const remote = max === undefined || why ? null : openRemote(settings.remote!)
  const result = await cleanStore(store, { limit: max, remote, dryRun, signal: context.signal })
  const reason = result.reason?.message ?? why
  const evicted = result.evicted.map(({ entity, project, name, number, id }) => ({
    ...{ entity, project, name, id },
    version: number === NO_NUMBER ? null : `v${number}`,
  }))
  const { bytesBefore, bytesAfter } = result
  const data = {
    ...{ bytesBefore, bytesAfter, freedBytes: bytesBefore - bytesAfter, evicted, dryRun },
    ...(max !== undefined && { limit: max }),
    ...(result.reason && { reason: result.reason.toJSON() }),
  }
  return { data, text: describe(result, { evicted, max, dryRun, reason }) }
}

function describe(
  { bytesBefore, bytesAfter }: CleanResult,
  {
    evicted,
    max,
    dryRun,
    reason,
  }: {
    evicted: { project: string; name: string; version: string | null; id: string }[]
    max: number | undefined
    dryRun: boolean
    reason: string | undefined
  },
): string {
  const lines = evicted.map(({ project, name, version, id }) => {
    const label = version === null ? `@${id.slice(0, 8)}` : `:${version}`
    return `${dryRun ? 'would evict' : 'evicted'}  ${project}/${name}${label}`
  })
  const freed = formatBytes(bytesBefore - bytesAfter)
  const left = formatBytes(bytesAfter)
  lines.push(dryRun ? `${freed} would be freed, ${left} left` : `${freed} freed, ${left} left`)
  if (max !== undefined && bytesAfter > max) {
    lines.push(
      `${formatBytes(bytesAfter - max)} above ${formatBytes(max)}: ${
        reason === undefined
          ? 'the rest is pending, linked to, in use, or its manifest'
          : `nothing can be evicted, for ${reason}`
      }`,
    )
  }
  return lines.join('\n')
}
