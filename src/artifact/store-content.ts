import type { ExternalFile, LogRequest } from '../catalog/catalog.js'
import { encodeExternal } from '../catalog/index-external.js'
import type { BlobKey } from '../model/blob-key.js'
import type { Piece } from '../model/entry.js'
import type { Manifest, Version, VersionContent } from '../model/version.js'
import type { Ingest } from '../store/ingest.js'
import { writeManifestWith } from '../store/manifest.js'
import { type Changes, mergeManifest } from '../store/merge-changes.js'
import type { Artifact } from './artifact.js'
import { expectAlgorithm } from './expect-algorithm.js'
import { findLatest } from './find-latest.js'
import { finishTogether } from './finish-together.js'
import type { Workspace } from './workspace.js'

/** External files in one piece: about 200 KiB. */
const EXTERNAL_A_PIECE = 1000

/** The content of an artifact, written into the store, and how it is to be logged. */
export type StoredArtifact = Pick<
  LogRequest,
  'version' | 'aliases' | 'packs' | 'objects' | 'external' | 'epoch' | 'base' | 'ifLatest'
>

/** Writes the content of an artifact into the store; of an incremental one, each time anew. */
export type StoreContent = () => Promise<Omit<StoredArtifact, 'aliases'>>

/** @param draft what the version is, apart from its content. */
export function contentStorer(
  workspace: Workspace,
  artifact: Artifact,
  draft: Omit<VersionContent, keyof Manifest>,
): StoreContent {
  const { store } = workspace
  // A commit names all that was added for it, by whichever attempt.
  const packs: string[] = []
  const objects: BlobKey[] = []
  return async () => {
    const { ingest, table, epoch } = await artifact.content()
    const latest = artifact.incremental ? await findLatest(workspace, draft) : undefined
    const base = latest ?? artifact.base?.version
    let manifest: Manifest
    if (base) {
      expectAlgorithm(store, base)
      const changes: Changes = artifact.base?.changes(table) ?? {
        ...table.changes(base.id),
        replace: () => {},
      }
      manifest = await mergeManifest(store, ingest, { base: base.pieces, changes })
    } else {
      manifest = await writeManifestWith(ingest, store.algorithm, writer => table.writeTo(writer))
    }
    table.expectRemoved(artifact.name)
    const own = await writeExternal(ingest, table.external())
    const external = base ? [...(await listInherited(workspace, base)), ...own] : own
    const published = await finishTogether(ingest)
    packs.push(...published.packs)
    objects.push(...published.objects)
    return {
      version: { ...draft, ...manifest },
      packs: [...packs],
      objects: [...objects],
      epoch,
      ...(external.length > 0 && { external }),
      ...(base && { base: base.id }),
      ...(artifact.incremental && { ifLatest: base?.id ?? null }),
    }
  }
}

/** Files outside the store that only this machine has, and that must stay for the new version too. */
async function listInherited({ store }: Workspace, { id }: Version): Promise<Piece[]> {
  const base = await store.catalog.getVersion(id)
  return base?.state === 'synced' ? [] : store.catalog.getExternal(id)
}

async function writeExternal(ingest: Ingest, files: ExternalFile[]): Promise<Piece[]> {
  const pieces: Piece[] = []
  for (let start = 0; start < files.length; start += EXTERNAL_A_PIECE) {
    const some = files.slice(start, start + EXTERNAL_A_PIECE)
    const bytes = encodeExternal(some)
    const [stored] = await ingest.addBytes('blob', [bytes])
    pieces.push({ digest: stored!.digest, size: bytes.length, count: some.length })
  }
  return pieces
}
