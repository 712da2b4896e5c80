import { z } from 'zod'
import { MAX_DELETIONS } from '../catalog/changing.js'
import { ArtifactError, ERRORS } from '../errors.js'
import type { BlobKey } from '../model/blob-key.js'
import type { CommitItem, CommitResult } from '../model/commit.js'
import { ALGORITHMS, type Algorithm, type Digest, isAlgorithm, isDigest } from '../model/digest.js'
import { MAX_PIECE_BYTES } from '../model/piece.js'
import type { Version, VersionContent } from '../model/version.js'
import { isEncoding } from '../pack/format.js'
import { conflict, errorData, errorFields, versionChange } from './change-messages.js'
import { run, versionState } from './lineage-messages.js'
import type { Capabilities, SendResult } from './remote.js'

/**
 * The messages of the native protocol (docs/protocol.md), one schema each. They check shapes; the
 * rules of names, and all that takes more than the message, are checked by whoever acts on it.
 * Fields that are not known are dropped, so that a newer side may add some.
 */

export const PROTOCOL = { min: 1, max: 1 }
export const API_PATH = '/api/v1'
/** On every answer: the id of the store that gave it. */
export const STORE_HEADER = 'artifactd-store'

export const PACK_TYPE = 'application/vnd.artifactd.pack'
export const KEYS_TYPE = 'application/vnd.artifactd.keys'
export const INDICES_TYPE = 'application/vnd.artifactd.indices'

/** Keys in one request: about 350 KB with xxh128. */
export const MAX_KEYS = 10_000
/** Ids of versions in one request: about 180 KB. */
export const MAX_IDS = 5000
/** Ids of versions that are to be deleted together: about 3.5 MB. */
export const MAX_FREED_IDS = 100_000
/** Items, and bytes of JSON, in one commit. The client slices at half: one long item may go alone. */
export const MAX_ITEMS = 1000
export const MAX_COMMIT_BYTES = 16 * 1024 * 1024
/** Values in the JSON of one request: one takes up to a hundred bytes of memory. */
export const MAX_JSON_VALUES = 500_000
/** Lists and objects in each other, in the JSON of one request. */
export const MAX_JSON_DEPTH = 1000
/** Bytes of a JSON answer that a client takes. */
export const MAX_ANSWER_BYTES = 64 * 1024 * 1024

const count = z.int().nonnegative()
const hexId = z.string().regex(/^[0-9a-f]{32}$/)
const digest = z.custom<Digest>(isDigest, 'not a digest')
const algorithm = z.enum(Object.keys(ALGORITHMS) as [Algorithm, ...Algorithm[]])
const logId = z.string().regex(/^[\w-]{8,64}$/)
const piece = z.object({ digest, size: count.max(MAX_PIECE_BYTES), count })
const versionContent = z.object({
  id: z.string(),
  entity: z.string(),
  project: z.string(),
  name: z.string(),
  type: z.string(),
  algorithm,
  digest: z.string(),
  size: count,
  fileCount: count,
  pieces: z.array(piece),
  description: z.string().nullable(),
  metadata: z.record(z.string(), z.unknown()),
  tags: z.array(z.string()),
  run: run.nullable(),
  createdAt: z.iso.datetime(),
}) satisfies z.ZodType<VersionContent>
const version = versionContent.extend({
  number: count,
  aliases: z.array(z.string()),
  state: versionState,
}) satisfies z.ZodType<Version>

/** Why a whole request failed. A code that is not in the table makes it some other program's. */
export const errorMessage = z.object({
  error: errorFields
    .refine(({ code }) => Object.hasOwn(ERRORS, code), 'unknown code')
    .transform(data => ArtifactError.from(data)),
})

export const capabilitiesMessage = z.object({
  storeId: hexId,
  protocol: z.object({ min: count, max: count }),
  digests: z.array(z.string()).transform(names => names.filter(isAlgorithm)),
  encodings: z
    .array(z.number())
    .default([0])
    .transform(numbers => numbers.filter(isEncoding)),
  recipes: z.boolean().default(false),
  entity: z.string(),
  history: z.object({ era: z.string().regex(/^[0-9a-f]{16}$/), seq: count }).optional(),
}) satisfies z.ZodType<Capabilities>

export const commitRequest = z.object({
  items: z
    .array(
      z.discriminatedUnion('kind', [
        z.object({
          kind: z.literal('version'),
          logId,
          version: versionContent,
          aliases: z.array(z.string()),
        }),
        z.object({
          kind: z.literal('alias'),
          logId,
          versionId: z.string(),
          aliases: z.array(z.string()),
          run: run.optional(),
        }),
        z.object({ kind: z.literal('use'), logId, versionId: z.string(), run }),
        z.object({
          kind: z.literal('delete'),
          logId,
          ids: z.array(z.string()).min(1).max(MAX_DELETIONS),
          deleteAliases: z.boolean(),
        }),
        z.object({
          kind: z.literal('skip'),
          logId,
          versionId: z.string(),
          type: z.string(),
          run: run.optional(),
        }),
        z.object({
          kind: z.literal('edit'),
          logId,
          versionId: z.string(),
          change: versionChange,
        }),
        z.object({
          kind: z.literal('upsert'),
          logId,
          distributedId: z.string(),
          version: versionContent,
        }),
        z.object({
          kind: z.literal('finish'),
          logId,
          distributedId: z.string(),
          aliases: z.array(z.string()),
          onConflict: z.enum(['error', 'last']),
        }),
      ]) satisfies z.ZodType<CommitItem>,
    )
    .min(1)
    .max(MAX_ITEMS),
})

export const commitAnswer = z.object({
  capabilities: capabilitiesMessage.optional(),
  results: z.array(
    z.discriminatedUnion('status', [
      z.object({
        status: z.literal('committed'),
        id: hexId,
        number: count,
        unchanged: z.boolean(),
        conflicts: z.array(conflict).optional(),
      }),
      z.object({ status: z.literal('incomplete'), pieces: z.array(digest) }),
      z.object({ status: z.literal('waiting'), pieces: z.array(digest) }),
      z.object({ status: z.literal('refused'), error: errorData }),
    ]) satisfies z.ZodType<CommitResult>,
  ),
})

const blobKey = z.object({
  kind: z.enum(['blob', 'piece', 'recipe']),
  digest,
  size: count,
}) satisfies z.ZodType<BlobKey>

export const sendAnswer = z.object({
  stored: count,
  rejected: z.array(z.object({ key: blobKey, error: errorData })),
}) satisfies z.ZodType<SendResult>

export const deletedRequest = z.strictObject({ ids: z.array(hexId).max(MAX_IDS) })

export const deletedAnswer = z.object({ ids: z.array(hexId) })

export const freedRequest = z.strictObject({ ids: z.array(hexId).max(MAX_FREED_IDS) })

export const freedAnswer = z.object({ bytes: count })

export const versionAnswer = z.object({ version })

export const listQuery = z.strictObject({
  entity: z.string(),
  project: z.string().optional(),
  name: z.string().optional(),
  type: z.string().optional(),
  after: z.string().max(2048).optional(),
})

export const listAnswer = z.object({
  items: z.array(
    version.omit({ pieces: true }).extend({ settled: z.boolean(), error: errorData.optional() }),
  ),
  next: z.string().optional(),
})
