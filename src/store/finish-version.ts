import { type LogAnswer, type LogRequest, MAX_BATCH } from '../catalog/catalog.js'
import { listPages } from '../catalog/list-pages.js'
import type { Part } from '../catalog/open-version.js'
import { ArtifactError } from '../errors.js'
import { hashBytes, withHasher } from '../hash/hasher.js'
import type { BlobKey } from '../model/blob-key.js'
import type { OnConflict } from '../model/commit.js'
import type { Algorithm } from '../model/digest.js'
import { type OpenName, openVersionId } from '../model/open-version-id.js'
import { NO_NUMBER, type VersionContent } from '../model/version.js'
import { holdContent } from './hold-content.js'
import type { Ingest } from './ingest.js'
import { locateBlobs } from './locate-blobs.js'
import { writeManifest } from './manifest.js'
import { mergeParts } from './merge-parts.js'
import { RecordSink } from './record-sink.js'
import type { Store } from './store.js'

export interface FinishVersionOptions extends Pick<LogRequest, 'target'> {
  logId: string
  aliases: string[]
  onConflict: OnConflict
}

/** `version` is what was merged, by the call that merged it. */
export type FinishAnswer = LogAnswer & { version?: VersionContent }

/**
 * Closes an open version and merges its parts into one version. Whoever is first decides; others,
 * and later calls, are answered as it was. After a process died, or a conflict, another call goes
 * on: the version stays closed to upserts.
 *
 * Description and metadata are those of the last part that has any; tags are those of all; run and
 * time are the last part's. The aliases move to the version whoever made it.
 *
 * @throws `VERSION_NOT_FOUND` when there is no such open version; `ENTRY_CONFLICT`.
 */
export async function finishVersion(
  store: Store,
  open: OpenName,
  options: FinishVersionOptions,
): Promise<FinishAnswer> {
  await store.catalog.closeOpen(open)
  const known = await store.catalog.findOpen(open)
  const answer = known?.finished ?? (await mergeHeld(store, open, options))
  const { logId, aliases, target } = options
  // A finish that was answered under this id has moved them.
  if (aliases.length > 0 && answer.number !== NO_NUMBER) {
    await store.catalog.moveAliases({ logId, versionId: answer.id, aliases, target })
  }
  return answer
}

async function mergeHeld(
  store: Store,
  open: OpenName,
  options: FinishVersionOptions,
): Promise<FinishAnswer> {
  const release = holdContent(store)
  try {
    return await mergeVersion(store, open, options)
  } finally {
    release()
  }
}

async function mergeVersion(
  store: Store,
  open: OpenName,
  { logId, aliases, onConflict, target }: FinishVersionOptions,
): Promise<FinishAnswer> {
  const { epoch } = await store.catalog.describe()
  const parts: Part[] = []
  for await (const some of listPages(after => store.catalog.listParts(open, after))) {
    parts.push(...some)
  }
  const last = parts.at(-1)
  if (!last) {
    // Another was faster, and its answer counts.
    const finished = (await store.catalog.findOpen(open))?.finished
    if (finished) return finished
    throw new ArtifactError('STORE_FAILED', `the parts of "${open.name}" are not in the catalog`)
  }
  const { algorithm } = last.version
  const sink = new RecordSink(store)
  try {
    const entries = mergeParts(store, parts, onConflict)
    const manifest = await writeManifest(pieceWriter(store, sink, algorithm), algorithm, entries)
    await sink.finish()
    const external = parts.flatMap(part => part.external)
    const version = { ...describe(parts, last), ...manifest, id: openVersionId(open) }
    const answer = await store.catalog.finish({
      logId,
      distributedId: open.distributedId,
      version,
      aliases,
      onConflict,
      ...(target && { target }),
      ...((await isComplete(store, parts)) && { complete: true }),
      epoch,
      packs: sink.packs,
      objects: sink.objects,
      ...(external.length > 0 && { external }),
    })
    return { ...answer, version }
  } finally {
    await sink.close()
  }
}

/** Whether all pieces of the parts vouch for their blobs, so that the merged ones may. */
async function isComplete({ catalog }: Store, parts: Part[]): Promise<boolean> {
  const digests = parts.flatMap(({ version }) => version.pieces.map(({ digest }) => digest))
  for (let start = 0; start < digests.length; start += MAX_BATCH) {
    const marks = await catalog.listComplete(digests.slice(start, start + MAX_BATCH))
    if (!marks.every(mark => mark)) return false
  }
  return true
}

function describe(parts: Part[], last: Part): VersionContent {
  const versions = parts.map(({ version }) => version)
  const described = versions.findLast(({ description }) => description !== null)
  const annotated = versions.findLast(({ metadata }) => Object.keys(metadata).length > 0)
  return {
    ...last.version,
    description: described?.description ?? null,
    metadata: annotated?.metadata ?? {},
    tags: [...new Set(versions.flatMap(({ tags }) => tags))],
  }
}

/** Parts may have another algorithm than the store that merges them has. */
function pieceWriter(
  store: Store,
  sink: RecordSink,
  algorithm: Algorithm,
): Pick<Ingest, 'addBytes'> {
  return {
    async addBytes(kind, parts) {
      const keys = await withHasher(algorithm, hasher =>
        parts.map(
          (bytes): BlobKey => ({ kind, digest: hashBytes(hasher, bytes), size: bytes.length }),
        ),
      )
      const places = await locateBlobs(store, keys)
      for (const [index, key] of keys.entries()) {
        if (!places[index]) await sink.append({ key, bytes: parts[index]!, encoding: 0 })
      }
      return keys.map(({ digest }, index) => ({ digest, isNew: !places[index] }))
    },
  }
}
