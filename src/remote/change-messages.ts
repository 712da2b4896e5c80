import { z } from 'zod'
import { ArtifactError, type ErrorData } from '../errors.js'
import type { Conflict, VersionChange } from '../model/version-change.js'

/** The parts of messages that are about changes of versions. */

const metadata = z.record(z.string(), z.unknown())
const description = z.string().nullable()

export const errorFields = z.object({
  code: z.string(),
  message: z.string(),
  details: z.record(z.string(), z.unknown()).optional(),
})

/** What is wrong with a part of a request. A code that is not in the table is `REQUEST_INVALID`. */
export const errorData = errorFields.transform(
  (data): ErrorData => ArtifactError.from(data, 'REQUEST_INVALID').toJSON(),
)

export const versionChange = z.object({
  description: z.object({ seen: description, to: description }).optional(),
  metadata: z.object({ seen: metadata, to: metadata }).optional(),
  tags: z.object({ add: z.array(z.string()), remove: z.array(z.string()) }).optional(),
  aliases: z
    .object({
      add: z.array(z.object({ alias: z.string(), seen: z.string().nullable() })),
      remove: z.array(z.string()),
    })
    .optional(),
}) satisfies z.ZodType<VersionChange>

export const conflict = z.object({
  versionId: z.string(),
  field: z.enum(['description', 'metadata', 'alias', 'version']),
  alias: z.string().optional(),
  found: z.unknown().optional(),
  error: errorData.optional(),
}) satisfies z.ZodType<Conflict>
