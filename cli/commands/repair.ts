import { useArtifact } from '../../src/artifact/use-artifact.js'
import { type SalvageResult, salvageJournal } from '../../src/catalog/salvage-journal.js'
import { checkWritable } from '../../src/disk/check-writable.js'
import { ERRORS, isArtifactError } from '../../src/errors.js'
import { type Repair, repairStore } from '../../src/store/repair-store.js'
import { type Context, openContext, type Result } from '../context.js'
import { count, formatBytes } from '../format.js'

/** Uses of one lost blob that are printed; `--json` has all. */
const PRINTED_USES = 20

export async function repair(
  names: string[],
  _options: Record<never, never>,
  context: Context,
): Promise<Result> {
  const workspace = openContext(context, { hostPlace: 'thread' })
  const { settings, store } = workspace
  const { signal, onProgress } = context
  checkWritable(store.home)
  const salvaged = await salvage(store.home)
  const ids: string[] = []
  for (const name of names) {
    const version = await useArtifact(workspace, name, { project: settings.project, signal })
    await version.fetch({ signal, onProgress })
    ids.push(version.id)
  }
  const versions = names.length > 0 ? { versions: ids } : {}
  const result = await repairStore(store, { ...versions, signal, onProgress })
  const isWhole = result.lost.length === 0 && result.journal.length === 0 && !salvaged
  const { reason, ...rest } = result
  return {
    data: { ...rest, ...(reason && { reason: reason.toJSON() }), salvaged },
    text: [...describeSalvage(salvaged), describe(result)].join('\n'),
    exitCode: isWhole ? 0 : ERRORS.VERIFY_DIFFERS.exit,
  }
}

/** A process that has the store open read its journal whole: there is nothing to salvage then. */
async function salvage(home: string): Promise<SalvageResult | null> {
  try {
    return await salvageJournal(home)
  } catch (error) {
    if (isArtifactError(error, 'STORE_BUSY')) return null
    throw error
  }
}

function describeSalvage(salvaged: SalvageResult | null): string[] {
  if (!salvaged) return []
  return [
    ...salvaged.lost.map(({ first, last }) =>
      first === last
        ? `lost  journal record ${first}`
        : `lost  journal records ${first} to ${last}`,
    ),
    ...salvaged.versions.map(
      ({ project, name, number, id }) =>
        `      ${project}/${name}:v${number} (@${id}): log its files again, their bytes are here`,
    ),
    ...salvaged.setAside.map(path => `The journal as it was is in ${path}`),
  ]
}

function describe({ versions, recovered, lost, reason, journal }: Repair): string {
  const lines = lost.flatMap(({ kind, digest, size, neededBy }) => [
    `lost  ${kind} ${digest}  ${formatBytes(size)}, needed by`,
    ...neededBy.slice(0, PRINTED_USES).map(({ version, path }) => `      ${version}  ${path}`),
    ...(neededBy.length > PRINTED_USES ? [`      and ${neededBy.length - PRINTED_USES} more`] : []),
  ])
  for (const { message } of journal) lines.push(`journal  ${message}`)
  if (reason) lines.push(`Not everything could be fetched: ${reason.message} (${reason.code})`)
  if (lost.length > 0) lines.push('To have a lost file again, log it again from where it came.')
  const found = recovered > 0 ? `${count(recovered, 'blob')} recovered` : 'nothing to recover'
  const end = lost.length > 0 ? `${found}, ${lost.length} lost` : `${found}, all is whole`
  return [...lines, `${count(versions, 'version')}: ${end}`].join('\n')
}
