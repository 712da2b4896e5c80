import { z } from 'zod'
import { type EdgeQuery, type FoundEdge, MAX_EDGE_QUERIES } from '../model/lineage.js'
import type { RunInfo, VersionState } from '../model/version.js'

/** Messages about runs, and what they used and logged; as in `messages.ts`. */

export const run = z.object({
  id: z.string().min(1).max(128),
  project: z.string(),
  name: z.string().optional(),
  jobType: z.string().optional(),
  group: z.string().optional(),
}) satisfies z.ZodType<RunInfo>

export const versionState = z.enum([
  'pending',
  'failed',
  'synced',
  'open',
  'closing',
]) satisfies z.ZodType<VersionState>

const role = z.enum(['input', 'output'])

export const edgesRequest = z.strictObject({
  queries: z
    .array(
      z.union([
        z.strictObject({ role, versionId: z.string() }),
        z.strictObject({ role, run: z.strictObject({ id: z.string(), project: z.string() }) }),
      ]) satisfies z.ZodType<EdgeQuery>,
    )
    .max(MAX_EDGE_QUERIES),
  after: z.string().max(2048).optional(),
})

export const edgesAnswer = z.object({
  items: z.array(
    z.object({
      role,
      run,
      version: z.object({
        id: z.string(),
        entity: z.string(),
        project: z.string(),
        name: z.string(),
        type: z.string(),
        number: z.int().nonnegative().nullable(),
        state: z.union([versionState, z.literal('deleted')]).nullable(),
        remoteId: z.string().optional(),
      }),
    }) satisfies z.ZodType<FoundEdge>,
  ),
  next: z.string().optional(),
})
